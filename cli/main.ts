#!/usr/bin/env node
/** The `warren` command. */
import { run } from './program.js'

process.exitCode = await run(process.argv.slice(2))
// A handle that keeps the event loop alive (a closing socket) must not delay the shell.
process.stdout.write('', () => process.exit())

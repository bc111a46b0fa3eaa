#!/usr/bin/env node
/** The `warren` command. */
import { run } from './program.js'

process.exitCode = await run(process.argv.slice(2))
// Whatever still holds the event loop (a socket that is closing) must not hold up the shell.
process.stdout.write('', () => process.exit())

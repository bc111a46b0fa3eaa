#!/usr/bin/env node
/** The `warren` command. */
import { run } from './program.js'
import { whenReaderGone } from './readerGone.js'

// It ends as it does when it is told to: what it started is stopped, and nothing is printed about it.
whenReaderGone([process.stdout, process.stderr], () => process.kill(process.pid, 'SIGTERM'))

process.exitCode = await run(process.argv.slice(2))
// A handle that keeps the event loop alive (a closing socket) must not delay the shell.
process.stdout.write('', () => process.exit())

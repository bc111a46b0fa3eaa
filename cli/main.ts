#!/usr/bin/env node
/** The `warren` command. */
import { run } from './program.js'
import { whenReaderGone } from './readerGone.js'

/** What a shell reports for a command whose reader has gone. */
const READER_GONE = 141

// One that stops what it started when it is told to is told to; others end at once. Nothing is printed about it.
whenReaderGone([process.stdout, process.stderr], () => {
  if (process.listenerCount('SIGTERM') > 0) process.kill(process.pid, 'SIGTERM')
  else process.exit(READER_GONE)
})

process.exitCode = await run(process.argv.slice(2))
// A handle that keeps the event loop alive (a closing socket) must not delay the shell.
process.stdout.write('', () => process.exit())

#!/usr/bin/env node
// Runs the command: what was packed beside this file or, in a clone, what was built there. A clone is told by its build's
// settings, so that what an interrupted `npm pack` left behind is never run in place of the build.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const clone = new URL('../../', import.meta.url)
const inClone = existsSync(new URL('tsconfig.build.json', clone))
const main = new URL('dist/cli/main.js', inClone ? clone : import.meta.url)

if (existsSync(main)) await import(main.href)
else {
  process.stderr.write(
    `warren: ${fileURLToPath(main)} is missing. ${inClone ? 'Run npm run build' : 'Install @warren/cli again'}\n`,
  )
  process.exitCode = 1
}

/** What the tools say of the repository: each of them has one test, and what it prints is the reason of the failure. */
import { execFile } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'

/** The npm scripts, so that a tool is called in one way. */
const tools = {
  'check:types': 'Types fit, in the library, in the type tests and in everything beside them',
  'check:lint': 'Format, lint, the walls between rooms: nothing to say, and no import goes round in a circle',
  'check:unused': 'No dead code: every file, export and dependency is used',
  'check:package': 'The package is one that npm, bundlers and TypeScript can use',
}

it.each(Object.entries(tools))(
  '%s: %s',
  async (script) => {
    const said = await run(script)
    if (said !== '') expect.fail(said)
  },
  300_000,
)

/** Nothing when the tool is content, else what it printed. */
function run(script: string): Promise<string> {
  return new Promise((resolve) => {
    execFile('npm', ['run', '--silent', script], { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) =>
      resolve(error === null ? '' : stripVTControlCharacters(`${error.message}\n${stdout}${stderr}`)),
    )
  })
}

// Builds the documentation as a site, into docs/.vitepress/dist.
//
//   node scripts/docs.mjs             everything: packages, API pages, the web examples, the site, its links
//   node scripts/docs.mjs dev         serves the pages while they are written
//   node scripts/docs.mjs preview     serves what was built
//
// What it needs is in docs/.vitepress/package.json and is installed there when it is asked for: a clone, its tests and the
// library do without. docs/decisions/0033-the-documentation-site.md has the reasons.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const SITE = join(ROOT, 'docs/.vitepress')
const [wanted = 'build', ...rest] = process.argv.slice(2)

if (!['build', 'dev', 'preview'].includes(wanted)) {
  process.stderr.write(`docs: expected build, dev or preview, got: ${wanted}\n`)
  process.exit(2)
}

step('the library', 'node', ['scripts/setup.mjs', '--quiet'])
if (!installed())
  step('packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], SITE)
if (wanted !== 'preview') step('API pages', 'node', [bin('typedoc/bin/typedoc')], SITE)
if (wanted === 'build') {
  step('types', 'node', ['node_modules/typescript/bin/tsc', '-p', 'docs/.vitepress'])
  step('types of the web examples', 'node', ['node_modules/typescript/bin/tsc', '-p', 'examples/web'])
  step('web examples', 'node', ['node_modules/vitest/vitest.mjs', 'run', '--config', 'examples/web/vitest.config.ts'])
}
step('the site', 'node', [bin('vitepress/bin/vitepress.js'), wanted, 'docs', ...rest])
if (wanted === 'build') process.stdout.write('docs: built docs/.vitepress/dist; npm run docs preview shows it\n')

function bin(path) {
  return join(SITE, 'node_modules', path)
}

/** Whether what the lock file names is there, by what npm recorded. */
function installed() {
  const [locked, there] = ['package-lock.json', 'node_modules/.package-lock.json'].map(packagesIn)
  if (there === undefined) return false
  return Object.entries(locked).every(
    ([path, { version, optional }]) => path === '' || optional === true || there[path]?.version === version,
  )
}

function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(join(SITE, file), 'utf8')).packages
  } catch {
    return undefined
  }
}

function step(what, command, args, cwd = ROOT) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status === 0) return
  process.stderr.write(`docs: ${what} failed${error ? `: ${error.message}` : ''}\n`)
  process.exit(1)
}

// Packs every package as it would be published and checks the tarballs: publint, Are The Types Wrong, and the list of files.
// `npm run check:package`. Prints problems only, and exits with 1 if there are any.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
/** Files that a user of a package needs. Everything else in a tarball is a mistake. */
const ALWAYS = /^(package\.json|README\.md|LICENSE)$/
const BUILT = /^dist\/(esm|cjs)\/[\w./-]+(\.js|\.d\.ts)$|^dist\/cjs\/package\.json$/
const PACKAGES = {
  '.': [
    /^dist\/(src|cjs)\/[\w./-]+(\.js|\.d\.ts)$|^dist\/cjs\/package\.json$/,
    // The pictures are four fifths of the whole, and npm's page takes them from the repository.
    /^docs\/[\w./-]+\.(md|svg)$/,
    /^(CHANGELOG|CONTRIBUTING|SECURITY|CODE_OF_CONDUCT)\.md$|^\.env\.example$/,
  ],
  'packages/cli': [
    /^bin\.mjs$/,
    /^dist\/([\w./-]+\.js|console\/(index|options)\.d\.ts)$/,
    /^config\/(?!secrets|grafana)[\w./-]+$/,
    /^console\/page\/[\w./-]+$/,
  ],
  'packages/nestjs': [BUILT],
  'packages/outbox': [BUILT],
  'packages/create-warren': [/^index\.mjs$/, /^template\/[\w./-]+$/],
}

/** `@warren/cli/console` is an ES module alone: every Node that Warren supports can `require` one. */
const ACCEPTED = { 'packages/cli': ['CJSResolvesToESM'] }

const folder = mkdtempSync(join(tmpdir(), 'warren-packages-'))
const problems = []
try {
  run(process.execPath, ['scripts/setup.mjs', '--quiet'])
  run(process.execPath, ['packages/build.mjs', 'outbox', 'nestjs', 'create-warren'])
  run(process.execPath, ['packages/cli/stage.mjs'])
  for (const [path, expected] of Object.entries(PACKAGES)) await check(path, expected)
} finally {
  run(process.execPath, ['packages/cli/stage.mjs', '--remove'])
  rmSync(folder, { recursive: true, force: true })
}
process.stdout.write(problems.map((each) => `${each}\n`).join(''))
process.exitCode = problems.length > 0 ? 1 : 0

async function check(path, expected) {
  const packed = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], path))
  const [{ filename, files }] = Array.isArray(packed) ? packed : Object.values(packed)
  const tarball = readFileSync(join(folder, filename.replace('@', '').replace('/', '-')))
  const names = files.map((file) => file.path)
  for (const name of names) {
    if (!ALWAYS.test(name) && !expected.some((pattern) => pattern.test(name)))
      problems.push(`${path}: unexpected file ${name}`)
  }
  for (const pattern of [/^package\.json$/, /^README\.md$/, /^LICENSE$/, ...expected]) {
    if (!names.some((name) => pattern.test(name))) problems.push(`${path}: no file matches ${pattern}`)
  }

  const buffer = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength)
  const { messages, pkg } = await publint({ strict: true, pack: { tarball: buffer } })
  for (const message of messages) problems.push(`${path}: publint: ${formatMessage(message, pkg)}`)

  const { types, problems: wrong = [] } = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)))
  if (types === false && JSON.parse(readFileSync(join(ROOT, path, 'package.json'), 'utf8')).types !== undefined) {
    problems.push(`${path}: attw: no types found`)
  }
  for (const { kind, ...where } of wrong) {
    if (!ACCEPTED[path]?.includes(kind)) problems.push(`${path}: attw: ${kind} ${JSON.stringify(where)}`)
  }
}

function run(command, args, path = '.') {
  const { status, stdout } = spawnSync(command, args, {
    cwd: join(ROOT, path),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
  return stdout
}

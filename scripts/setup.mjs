// Makes a fresh clone ready: npm packages, the build, and on request the servers and what the tests need beside them.
//
//   node scripts/setup.mjs [--servers] [--tests] [--quiet]
//
// Plain Node without dependencies, since it runs before `npm ci`. Each step looks first and does nothing when nothing
// is to do; then all of it takes well under a second. Exits 1 with the one command to run where it cannot help itself.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const MIN_NODE = [20, 19]
/** Debian 13 has Valkey, 12 only Redis; which it is, apt knows after its update. */
const VALKEY_OR_REDIS = 'valkey-server or redis-server'

const wanted = new Set(process.argv.slice(2))
const unknown = [...wanted].filter((each) => !['--servers', '--tests', '--quiet'].includes(each))
if (unknown.length > 0) fail(`expected --servers, --tests or --quiet, got: ${unknown.join(' ')}`, 2)

checkNode()
installPackages()
build()
installSystemPackages()

function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}

function fail(text, code = 1) {
  say(text)
  process.exit(code)
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])) return
  fail(`Warren needs Node ${MIN_NODE.join('.')} or later, and this is ${process.versions.node}: https://nodejs.org`)
}

// ---- npm packages

function installPackages() {
  const problem = packagesProblem()
  if (problem === undefined) return
  say(`installing npm packages (${problem})`)
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], 'npm ci failed')
}

/** Compares what npm recorded in node_modules with the lock file, by content: file times mean nothing after a clone. */
function packagesProblem() {
  const installed = readJson(join(ROOT, 'node_modules/.package-lock.json'))?.packages
  if (installed === undefined) return 'there are none yet'
  const locked = readJson(join(ROOT, 'package-lock.json'))?.packages ?? {}
  for (const [path, { version, link, optional, devOptional }] of Object.entries(locked)) {
    if (path === '' || (installed[path] === undefined && (optional || devOptional))) continue
    if (installed[path]?.version !== version || installed[path]?.link !== link)
      return `${path.replace(/^.*node_modules\//, '')} ${version ?? ''} is missing`
  }
  return undefined
}

// ---- the build

function build() {
  const stamp = join(ROOT, 'dist/.sources')
  const sources = fingerprint()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources && existsSync(join(ROOT, 'dist/cli/main.js'))) return
  say('building')
  run(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
    'The build failed',
  )
  removeStaleOutput()
  openToCommonJs()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, sources)
}

/** Output whose source is gone. The rest stays in place: a cluster that runs from dist is not disturbed. */
function removeStaleOutput() {
  for (const name of readdirSync(join(ROOT, 'dist'), { recursive: true })) {
    const source = /^(.+?)(\.d\.ts|\.js|\.js\.map)$/.exec(name)?.[1]
    if (source !== undefined && !name.startsWith('cjs') && !existsSync(join(ROOT, `${source}.ts`)))
      rmSync(join(ROOT, 'dist', name))
  }
}

/**
 * The library's door for CommonJS. Types again: under `module: node16` TypeScript goes by the package.json beside a
 * declaration, and refuses to `require` what that calls an ES module. The code is not there again: Node requires the ES
 * modules themselves, so that `import` and `require` give the same classes.
 */
function openToCommonJs() {
  const [from, to] = [join(ROOT, 'dist/src'), join(ROOT, 'dist/cjs')]
  rmSync(to, { recursive: true, force: true })
  cpSync(from, to, { recursive: true, filter: (path) => statSync(path).isDirectory() || path.endsWith('.d.ts') })
  writeFileSync(join(to, 'package.json'), '{ "type": "commonjs" }\n')
  writeDoor(join(to, 'index.js'), '../src/index.js')
  writeDoor(join(to, 'testing/index.js'), '../../src/testing/index.js')
}

function writeDoor(file, target) {
  const door = `const warren = require('${target}')\nmodule.exports = warren\n`
  writeFileSync(file, door)
  // Never run, and read by Node: the names that `import` finds in a CommonJS module.
  const names = Object.keys(createRequire(import.meta.url)(file)).filter((name) => /^\w+$/.test(name))
  writeFileSync(file, `${door}0 && (module.exports = { ${names.join(', ')} })\n`)
}

/** One line that changes when any file that goes into the build is added, removed or changed. */
function fingerprint() {
  const hash = createHash('sha256')
  const files = ['package.json', 'tsconfig.json', 'tsconfig.build.json']
  const included = readJson(join(ROOT, 'tsconfig.build.json'))?.include ?? []
  for (const folder of included) {
    if (folder.endsWith('.ts')) files.push(folder)
    if (folder.endsWith('.ts') || !existsSync(join(ROOT, folder))) continue
    for (const name of readdirSync(join(ROOT, folder), { recursive: true })) {
      if (name.endsWith('.ts')) files.push(join(folder, name))
    }
  }
  for (const file of files.sort()) {
    const { mtimeMs, size } = statSync(join(ROOT, file))
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

// ---- servers, and the tests' Python, browser and database

function installSystemPackages() {
  const servers = wanted.has('--servers') ? missingServers() : []
  const python = wanted.has('--tests') ? missingPython() : []
  const browser = wanted.has('--tests') ? missingBrowser() : []
  const database = wanted.has('--tests') ? missingDatabase() : []
  const all = [...servers, ...python, ...browser, ...database]
  if (all.length === 0) return
  const why = [
    ...(servers.length > 0 ? [`for the local cluster: ${servers.join(', ')}`] : []),
    ...(python.length > 0 ? [`for the tests against Python's Celery: ${python.join(', ')}`] : []),
    ...(browser.length > 0 ? [`for the tests of the console's page: ${browser.join(', ')}`] : []),
    ...(database.length > 0 ? [`for the tests of the outbox: ${database.join(', ')}`] : []),
  ].join('; ')
  if (!onPath('apt-get')) {
    fail(`Missing ${why}. This machine has no apt-get: install them with its own package manager.`)
  }
  const root = process.getuid?.() === 0
  const sudo = !root && onPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
  const asRoot = root ? [] : ['sudo', ...(sudo ? ['-n'] : [])]
  if (!root && !sudo) {
    const packages = all.map((each) => (each === VALKEY_OR_REDIS ? 'redis-server' : each))
    fail(
      `Missing ${why}. Installing takes root; run this and try again: ` +
        `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`,
    )
  }
  say(`installing with apt-get ${why}`)
  say('they are run from .warren/ on their own ports; services that the packages may start are left alone')
  apt(asRoot, ['update', '-qq'], 'apt-get update failed')
  const names = all.map((each) => (each === VALKEY_OR_REDIS ? storePackage() : each))
  withoutStartingServices(asRoot, () => {
    apt(
      asRoot,
      ['install', '-y', '-qq', '--no-install-recommends', ...names],
      `apt-get could not install ${names.join(' ')}`,
    )
  })
  const still = [
    ...(wanted.has('--servers') ? missingServers() : []),
    ...(wanted.has('--tests') ? [...missingPython(), ...missingBrowser(), ...missingDatabase()] : []),
  ]
  if (still.length > 0) fail(`apt-get reported success, but these are still not to be found: ${still.join(', ')}`)
  say('installed')
}

function missingServers() {
  return [
    ...(onPath('rabbitmq-server') || existsSync('/usr/lib/rabbitmq/bin/rabbitmq-server') ? [] : ['rabbitmq-server']),
    ...(onPath('haproxy') ? [] : ['haproxy']),
    ...(onPath('valkey-server') || onPath('redis-server') ? [] : [VALKEY_OR_REDIS]),
    ...(onPath('prometheus') ? [] : ['prometheus']),
  ]
}

function storePackage() {
  const known = spawnSync('apt-cache', ['show', 'valkey-server'], { stdio: ['ignore', 'pipe', 'ignore'] })
  return known.status === 0 && known.stdout.length > 0 ? 'valkey-server' : 'redis-server'
}

function missingPython() {
  const code = 'import importlib.util as u; print(*(m for m in ("celery", "redis") if u.find_spec(m) is None))'
  const found = spawnSync('/usr/bin/python3', ['-c', code], { encoding: 'utf8' })
  const missing = found.status === 0 ? found.stdout.split(/\s+/).filter(Boolean) : ['celery', 'redis']
  return missing.map((each) => `python3-${each}`)
}

/** By the names that test/support/browser.ts looks for. */
function missingBrowser() {
  return ['chromium', 'chromium-browser', 'google-chrome'].some(onPath) ? [] : ['chromium']
}

/** Where test/support/postgres.ts looks: Debian puts no server of PostgreSQL on the path. */
function missingDatabase() {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : []
  const found = versions.some((version) => existsSync(join('/usr/lib/postgresql', version, 'bin/initdb')))
  return found ? [] : ['postgresql']
}

function apt(asRoot, args, failure) {
  const command = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-o', 'Dpkg::Use-Pty=0', ...args]
  const done = spawnSync(command[0], command.slice(1), { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (done.status === 0) return
  const end = `${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}`.trim().split('\n').slice(-15)
  process.stderr.write(`${end.map((line) => `  ${line}`).join('\n')}\n`)
  fail(`${failure}. Put it right and try again`)
}

/**
 * Where no init system runs (a container, a chroot), package scripts would start servers in the background on their
 * default ports. `policy-rc.d` is Debian's way to forbid that; ours is there only while apt-get works.
 */
function withoutStartingServices(asRoot, work) {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync('/run/systemd/system') || existsSync(policy)) return work()
  const shell = (script) => {
    const [command, ...args] = [...asRoot, 'sh', '-c', script]
    spawnSync(command, args, { stdio: 'ignore' })
  }
  shell(`printf '#!/bin/sh\\nexit 101\\n' > ${policy} && chmod 755 ${policy}`)
  // fail() ends the process from within: the policy must go even then.
  const remove = () => shell(`rm -f ${policy}`)
  process.once('exit', remove)
  work()
  process.off('exit', remove)
  remove()
}

// ---- small things

/** Runs a command with its output on stderr; ends setup when it fails. */
function run(command, args, failure) {
  const quiet = wanted.has('--quiet')
  const done = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', quiet ? 'pipe' : 2, quiet ? 'pipe' : 2] })
  if (done.status === 0) return
  if (quiet) process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`)
  fail(`${failure}${done.error ? `: ${done.error.message}` : ''}`)
}

/** Whether a command is installed; Debian keeps servers in sbin, which is not on every user's path. */
function onPath(command) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    if (folder === '') return false
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

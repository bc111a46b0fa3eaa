/**
 * The promise: `npm create warren` makes an application that builds, passes its test, and runs, from what npm packs. Here it
 * takes its broker and store from the environment instead of compose.yaml.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { parse } from 'yaml'
import { type ClusterUrls, until, virtualHost } from '../../../test/support/cluster.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'warren-create-'))
const app = join(folder, 'My First.App')
const run = promisify(execFile)
const node = (cwd: string, ...args: string[]) => run(process.execPath, args, { cwd, env: { ...process.env, ...env } })

let urls: ClusterUrls
let env: NodeJS.ProcessEnv
let said: string

beforeAll(async () => {
  urls = await virtualHost('mailer', [{ name: 'email.welcome.send', queue: { type: 'quorum' } }])
  env = { WARREN_BROKER: urls.broker, WARREN_RESULTS: urls.results, PORT: '0' }
  await run(process.execPath, ['scripts/setup.mjs', '--quiet'], { cwd: root })
  const pack = (...args: string[]) =>
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder, ...args], { cwd: root })
  await Promise.all([pack(), pack('--workspace', 'create-warren')])
  const packed = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  const tarball = (name: string): string => join(folder, packed.find((each) => each.startsWith(name)) ?? name)
  await run('tar', ['-xzf', tarball('create-warren'), '-C', folder])
  said = (await node(folder, 'package/index.mjs', 'My First.App')).stdout
  // The library is not on the registry; the compiler and Node's types are at hand.
  const manifest = join(app, 'package.json')
  const made = JSON.parse(readFileSync(manifest, 'utf8'))
  writeFileSync(
    manifest,
    JSON.stringify({ ...made, dependencies: { ...made.dependencies, warren: `file:${tarball('warren-')}` } }),
  )
  const quietly = ['--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts']
  await run('npm', ['install', ...quietly], { cwd: app })
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await node(app, tsc, '--typeRoots', join(root, 'node_modules/@types'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('makes an application, says what comes next, and has what it mentions', () => {
  expect(said).toMatch(/^Created my-first-app\. Next:\n[\s\S]*cd My First\.App\n {2}npm install\n/)
  expect(JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'))).toMatchObject({
    name: 'my-first-app',
    private: true,
  })
  expect(readdirSync(app)).toEqual(expect.arrayContaining(['.gitignore', '.dockerignore', 'Dockerfile', 'README.md']))
  expect(readdirSync(app)).not.toEqual(expect.arrayContaining(['gitignore']))
  const page = readFileSync(join(app, 'README.md'), 'utf8')
  const files = [...page.matchAll(/^\| (`.*`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  )
  expect(files.length).toBeGreaterThan(5)
  expect(files.filter((name) => !existsSync(join(app, name)))).toEqual([])
})

it('passes its tests, the one through the broker among them', async () => {
  // As `npm test` does once it has built: Node 20 is handed the names of the files, later ones find them themselves.
  const { scripts } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'))
  const [, command = ''] = String(scripts.test).split(' && ')
  const { stdout } = await run('sh', ['-c', command], { cwd: app, env: { ...process.env, ...env } })
  expect(stdout).toMatch(/^(#|ℹ) pass 4$/m)
  expect(stdout).toMatch(/^(#|ℹ) skipped 0$/m)
})

it('runs a task, answers for its health, and ends in order on SIGTERM', async () => {
  const worker = spawn(process.execPath, ['dist/src/worker.js'], { cwd: app, env: { ...process.env, ...env } })
  onTestFinished(() => void worker.kill('SIGKILL'))
  let out = ''
  worker.stdout.on('data', (piece) => {
    out += piece
  })
  await until('the worker is ready', () => /ready: \S+/.test(out))
  const [, url = ''] = /ready: (\S+)/.exec(out) ?? []
  expect((await fetch(url)).status).toBe(200)
  const { stdout } = await node(app, 'dist/src/producer.js', 'Grace')
  expect(stdout).toMatch(/^sent (\S+)\ndone: welcome-\1\n$/)
  expect(out).toContain('Welcome, Grace! (attempt 1, to grace@example.com)')
  worker.kill('SIGTERM')
  expect(await once(worker, 'exit')).toEqual([0, null])
  expect(out).toMatch(/\nstopped\n$/)
})

it('has a compose file whose addresses are those of the code, and whose worker may finish what it holds', () => {
  const { services } = parse(readFileSync(join(app, 'compose.yaml'), 'utf8'))
  const source = readFileSync(join(app, 'src/connection.ts'), 'utf8')
  const { RABBITMQ_DEFAULT_USER: user, RABBITMQ_DEFAULT_PASS: password } = services.rabbitmq.environment
  expect(source).toContain(`'amqp://${user}:${password}@127.0.0.1:5672'`)
  expect(services.rabbitmq.ports).toContain('127.0.0.1:5672:5672')
  expect(source).toContain("'redis://127.0.0.1:6379'")
  expect(services.valkey.ports).toEqual(['127.0.0.1:6379:6379'])
  expect(services.worker.environment.WARREN_BROKER).toBe(`amqp://${user}:${password}@rabbitmq:5672`)
  expect(Number.parseInt(services.worker.stop_grace_period, 10)).toBeGreaterThan(30)
})

it('refuses a folder that is not empty, a name that is none, and what it does not know', async () => {
  const create = (...args: string[]) => node(folder, 'package/index.mjs', ...args)
  await expect(create('My First.App')).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/is not empty/) })
  await expect(create('...')).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(/cannot be named/) })
  await expect(create('--typescript')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/Usage: npm create/),
  })
  expect((await create('--help')).stdout).toMatch(/^Usage: npm create warren/)
  mkdirSync(join(folder, 'empty'))
  expect((await create('empty')).stdout).toMatch(/^Created empty/)
})

/**
 * The promise: the packed library installs little, and what is installed works: under `import` and `require`, for
 * TypeScript's ways to resolve it, and bundled into one file. The packed command has what it needs.
 */
import { execFile } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type BuildOptions, build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClusterUrls, virtualHost } from '../support/cluster.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'warren-package-'))
/** An application with the library alone, one with the command beside it, and a folder without any package. */
const application = join(folder, 'application')
const operations = join(folder, 'operations')
const elsewhere = join(folder, 'elsewhere')

let urls: ClusterUrls
const env = (): NodeJS.ProcessEnv => ({ WARREN_BROKER: urls.broker, WARREN_RESULTS: urls.results })

const run = promisify(execFile)
const npm = (cwd: string, ...args: string[]): Promise<unknown> => run('npm', args, { cwd })

async function install(into: string, ...packed: string[]): Promise<void> {
  mkdirSync(into)
  writeFileSync(join(into, 'package.json'), '{ "private": true }')
  const quietly = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts']
  await npm(into, 'install', ...quietly, ...packed.map((name) => join(folder, name)))
}

beforeAll(async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const library = `warren-${version}.tgz`
  const command = `warren-cli-${version}.tgz`
  urls = await virtualHost('packaged', [{ name: 'packaged.number.add', queue: { type: 'quorum' } }])
  await npm(root, 'run', 'build')
  await Promise.all([
    npm(root, 'pack', '--ignore-scripts', '--pack-destination', folder),
    npm(root, 'pack', '--workspace', '@warren/cli', '--pack-destination', folder),
  ])
  await Promise.all([install(application, library), install(operations, library, command)])
  mkdirSync(elsewhere)
  copyFileSync(join(root, 'test/support/packaged.mjs'), join(application, 'packaged.mjs'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a program printed as JSON, run by Node. */
async function printed(file: string, env: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const { stdout } = await run(process.execPath, [file], { env: { ...process.env, ...env } })
  return JSON.parse(stdout)
}

function files(of: string): string[] {
  const all = readdirSync(of, { recursive: true, encoding: 'utf8' }).map((name) => join(of, name))
  return all.filter((path) => statSync(path).isFile())
}

describe('The installed library', () => {
  it('is at most 20 packages and 6 MB', () => {
    const packages = readFileSync(join(application, 'node_modules/.package-lock.json'), 'utf8')
    expect(Object.keys((JSON.parse(packages) as { packages: object }).packages).length).toBeLessThanOrEqual(20)
    const bytes = files(join(application, 'node_modules')).reduce((sum, path) => sum + statSync(path).size, 0)
    expect(bytes).toBeLessThan(6_000_000)
  })

  it('has what its pages link to, except pictures, which are in the repository alone', () => {
    const installed = join(application, 'node_modules/warren')
    const pages = files(installed).filter((path) => path.endsWith('.md'))
    const links = pages.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => ({
        page,
        link,
      })),
    )
    expect(links.length).toBeGreaterThan(30)
    const missing = links.filter(({ page, link }) => !existsSync(join(dirname(page), link)))
    expect(missing.filter(({ link }) => !/(^|\/)images\/[\w-]+\.png$/.test(link))).toEqual([])
  })

  it('is the same modules for import and for require', async () => {
    const program = join(application, 'both.cjs')
    writeFileSync(
      program,
      `const required = require('warren')
      import('warren').then((imported) => {
        const [one, other] = [Object.keys(required).sort(), Object.keys(imported).sort()]
        const differing = other.filter((name) => required[name] !== imported[name])
        console.log(JSON.stringify({ one, other, differing }))
      })`,
    )
    const { one, other, differing } = (await printed(program)) as Record<string, string[]>
    expect(one).toContain('connect')
    expect(one).toEqual(other)
    expect(differing).toEqual([])
  })

  // An error that is expected and does not come is an error: so types that resolve to `any` fail.
  const body = `
    const task = defineTask({ name: 'a.b', input: schema })
    export async function use(warren: Warren): Promise<number> {
      // @ts-expect-error: the input is a number
      await warren.send(task, 'text')
      const handle = await warren.send(task, 1)
      const text: string = await workerMetrics(warren.worker({ service: 'a' })).metrics()
      throw new Reject(text, { cause: handle.id })
    }
    declare const schema: StandardSchemaV1<number>
    export const connects: typeof connect = connect
  `
  const names = 'connect, defineTask, Reject, workerMetrics'
  const head = "import type { StandardSchemaV1 } from '@standard-schema/spec'\nimport type { Warren } from 'warren'\n"
  const sources = {
    'use.mts': `${head}import { ${names} } from 'warren'\n${body}`,
    'use.cts': `${head}import warren = require('warren')\nconst { ${names} } = warren\n${body}`,
    'names.cts': `${head}import { ${names} } from 'warren'\n${body}`,
  }
  it.each([
    ['node16', 'node16', ['use.mts', 'use.cts', 'names.cts']],
    ['nodenext', 'nodenext', ['use.mts', 'use.cts', 'names.cts']],
    ['preserve', 'bundler', ['use.mts', 'use.cts']],
  ])('has types under module %s, moduleResolution %s', async (module, moduleResolution, names) => {
    for (const [name, text] of Object.entries(sources)) writeFileSync(join(application, name), text)
    const config = join(application, `tsconfig.${module}.json`)
    const types = { types: ['node'], typeRoots: [join(root, 'node_modules/@types')] }
    const compilerOptions = { strict: true, noEmit: true, target: 'es2022', module, moduleResolution, ...types }
    writeFileSync(config, JSON.stringify({ compilerOptions, files: names }))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const said = await run(process.execPath, [tsc, '-p', config]).then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    )
    expect(said).toBe('')
  })
})

describe('A task runs, and what is missing is named,', () => {
  const noMetrics = '501 workerMetrics needs the package prom-client, which is not installed: npm install prom-client'

  it('installed as it is', async () => {
    const said = await printed(join(application, 'packaged.mjs'), env())
    expect(said).toEqual({ sum: 42, health: 200, metrics: noMetrics })
  })

  const banner = (text: string) => ({ banner: { js: text } })
  const bundles: [string, string, BuildOptions][] = [
    ['CommonJS', 'one.cjs', { format: 'cjs' }],
    ['CommonJS, minified', 'small.cjs', { format: 'cjs', minify: true }],
    [
      'an ES module, with the banner of docs/guide/packaging.md',
      'one.mjs',
      {
        format: 'esm',
        ...banner(/--banner:js="([^"]+)"/.exec(readFileSync(join(root, 'docs/guide/packaging.md'), 'utf8'))?.[1] ?? ''),
      },
    ],
    [
      'an ES module, with a banner that makes __dirname, too',
      'two.mjs',
      {
        format: 'esm',
        ...banner(
          `import { createRequire } from 'module'; import { fileURLToPath } from 'url'; import { dirname } from 'path';
          const require = createRequire(import.meta.url);
          const __filename = fileURLToPath(import.meta.url); const __dirname = dirname(__filename);`,
        ),
      },
    ],
  ]
  it.each(bundles)('in one file, bundled as %s', async (_, name, options) => {
    const outfile = join(elsewhere, name)
    const { warnings } = await build({
      ...{ entryPoints: [join(application, 'packaged.mjs')], outfile, bundle: true, platform: 'node' },
      ...{ logLevel: 'silent', ...options },
    })
    expect(warnings).toEqual([])
    expect(await printed(outfile, env())).toEqual({
      sum: 42,
      health: 200,
      metrics: noMetrics,
      isolation: expect.stringMatching(
        /^OptionsError: worker\.handle\(packaged\.number\.divide\): .*--external:warren/,
      ),
    })
  })
})

describe('Metrics are served where prom-client is installed,', () => {
  it.each([
    ['by the library as it is', join(application, 'packaged.mjs')],
    ['by a bundle as CommonJS, which has no import.meta', join(elsewhere, 'one.cjs')],
    ['by a bundle as an ES module', join(elsewhere, 'one.mjs')],
  ])('%s', async (_, program) => {
    const here = join(operations, basename(program))
    copyFileSync(program, here)
    const said = await printed(here, env())
    expect(said).toMatchObject({ sum: 42, health: 200, metrics: expect.stringMatching(/^200 # HELP /) })
  })
})

describe('The installed command', () => {
  const installed = join(operations, 'node_modules/@warren/cli')
  const warren = (...args: string[]) => run(join(operations, 'node_modules/.bin/warren'), args, { cwd: operations })

  it('says what it can do, and its version', async () => {
    expect((await warren('--help')).stdout).toMatch(/Usage: warren/)
  })

  it("has the broker's definitions", async () => {
    expect((await warren('definitions', '--check')).stdout).toMatch(/matches the code/)
  })

  it('has every configuration file that `warren up` and `warren drill` need', () => {
    const needed = files(join(installed, 'dist'))
      .flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/configFile\(([^)]*)\)/g)])
      .flatMap(([, names = '']) =>
        /^'[^)]*'$/.test(names) ? [names.split(', ').map((name) => name.slice(1, -1))] : [],
      )
    expect(needed).toEqual(
      expect.arrayContaining([
        ['haproxy', 'haproxy.cfg'],
        ['rabbitmq', 'rabbitmq.conf'],
      ]),
    )
    expect(needed.filter((names) => !existsSync(join(installed, 'config', ...names)))).toEqual([])
  })

  it("has the console's page and the chart library", async () => {
    const { pageFiles, shellFor } = (await import(
      join(installed, 'dist/console/page.js')
    )) as typeof import('../../console/page.js')
    expect([...pageFiles().keys()]).toEqual(expect.arrayContaining(['/main.js', '/style.css', '/lib/uPlot.esm.js']))
    expect(Buffer.from(shellFor('/').body).toString()).toContain('main.js')
  })

  it('uses the library beside it, and no other copy', () => {
    expect(existsSync(join(installed, 'node_modules/warren'))).toBe(false)
    expect(existsSync(join(installed, 'dist/src'))).toBe(false)
  })
})

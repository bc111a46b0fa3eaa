import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

interface Package {
  readonly version: string
  readonly engines: object
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const read = (path: string): Package => JSON.parse(text(path))
const library = read('package.json')
const command = read('packages/cli/package.json')
/** What stands on the library, for those who use something else, too. */
const besides = ['nestjs', 'outbox']

it('@warren/cli depends on this version of warren, and otherwise on what the repository builds and tests it with', () => {
  const { warren, ...others } = command.dependencies
  expect(warren).toBe(library.version)
  const here = { ...library.devDependencies, ...library.dependencies }
  expect(others).toEqual(Object.fromEntries(Object.keys(others).map((name) => [name, here[name]])))
})

it('@warren/cli has the version and the Node of warren', () => {
  expect(command).toMatchObject({ version: library.version, engines: library.engines })
})

describe.each(besides)('packages/%s', (name) => {
  const { version, engines, dependencies = {}, peerDependencies } = read(`packages/${name}/package.json`)
  const page = text(`packages/${name}/README.md`)

  it('has the version and the Node of warren, which it leaves to the application, as all else', () => {
    expect({ version, engines, warren: peerDependencies?.warren, dependencies }).toEqual({
      ...{ version: library.version, engines: library.engines, warren: library.version, dependencies: {} },
    })
  })

  it('shows its example as it is', () => {
    const shown = [...page.matchAll(/<!-- (\S+) -->\n+```ts\n([\s\S]*?)```/g)]
    expect(shown.map(([, file]) => file)).toEqual(
      readdirSync(new URL(`../../packages/${name}/example`, import.meta.url)).map(
        (file) => `packages/${name}/example/${file}`,
      ),
    )
    for (const [, file = '', code] of shown) expect(code).toBe(text(file))
  })

  it('has a page that works where npm shows it: no link into the repository', () => {
    const links = [...page.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
    expect(links.length).toBeGreaterThan(0)
    expect(links.filter((link) => !/^(https:|#)/.test(link))).toEqual([])
  })
})

it('create-warren makes an application with this version of warren, and with what the repository is built with', () => {
  const template = read('packages/create-warren/template/package.json')
  const { version, engines } = read('packages/create-warren/package.json')
  expect({ version, engines, template: template.engines }).toEqual({
    ...{ version: library.version, engines: library.engines, template: library.engines },
  })
  const { warren, zod } = template.dependencies
  expect({ warren, zod }).toEqual({ warren: library.version, zod: library.devDependencies.zod })
  const of = (name: string): string | undefined => library.devDependencies[name]
  expect(template.devDependencies).toEqual({ '@types/node': of('@types/node'), typescript: of('typescript') })
})

describe('What is published', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const folders = ['', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)].filter((folder) =>
    existsSync(join(root, folder, 'package.json')),
  )

  it('names its repository, so that links in a README work on the registry’s page', () => {
    const copy = mkdtempSync(join(tmpdir(), 'warren-repository-'))
    try {
      for (const folder of folders) cpSync(join(root, folder, 'package.json'), join(copy, folder, 'package.json'))
      execFileSync(process.execPath, [join(root, 'scripts/set-repository.mjs'), 'owner/name', copy])
      for (const folder of folders) {
        const { repository, homepage, bugs } = JSON.parse(readFileSync(join(copy, folder, 'package.json'), 'utf8'))
        expect(repository).toEqual({
          ...{ type: 'git', url: 'git+https://github.com/owner/name.git' },
          ...(folder === '' ? {} : { directory: folder }),
        })
        expect([homepage, bugs].every((link) => link.startsWith('https://github.com/owner/name'))).toBe(true)
        const links = [...text(join(folder, 'README.md')).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
        expect(links.map(([, link = '']) => link).filter((link) => !existsSync(join(root, folder, link)))).toEqual([])
      }
    } finally {
      rmSync(copy, { recursive: true, force: true })
    }
  })

  it('is what the workflow publishes, with scripts that exist', () => {
    const { jobs } = parse(text('.github/workflows/publish.yml'))
    const commands: string[] = jobs.publish.steps.flatMap((step: { run?: string }) => step.run ?? [])
    const published = commands.filter((command) => command.startsWith('npm publish')).join(' ')
    const { workspaces, scripts } = JSON.parse(text('package.json'))
    expect(workspaces).toEqual(['packages/*'])
    for (const folder of folders.slice(1))
      expect(published).toContain(`-w ${JSON.parse(text(`${folder}/package.json`)).name}`)
    const tests = Object.values(
      parse(text('.github/workflows/test.yml')).jobs as Record<string, { steps: { run?: string }[] }>,
    )
    const all = [...commands, ...tests.flatMap(({ steps }) => steps.flatMap((step) => step.run ?? []))]
    const used = all.flatMap((command) => [...command.matchAll(/npm (?:run )?([a-z:]+)/g)].map(([, name = '']) => name))
    expect(used.filter((name) => !['ci', 'publish'].includes(name) && scripts[name] === undefined)).toEqual([])
  })
})

it('The library depends on nothing that only the command, the console or the demo uses', () => {
  expect(Object.keys(library.dependencies).sort()).toEqual([
    '@opentelemetry/api',
    '@standard-schema/spec',
    'amqplib',
    'croner',
    'denque',
    'fastest-levenshtein',
    'iovalkey',
  ])
})

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

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

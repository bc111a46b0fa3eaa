import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

interface Package {
  readonly version: string
  readonly engines: object
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const read = (path: string): Package => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))
const library = read('package.json')
const command = read('packages/cli/package.json')

it('@warren/cli depends on this version of warren, and otherwise on what the repository builds and tests it with', () => {
  const { warren, ...others } = command.dependencies
  expect(warren).toBe(library.version)
  const here = { ...library.devDependencies, ...library.dependencies }
  expect(others).toEqual(Object.fromEntries(Object.keys(others).map((name) => [name, here[name]])))
})

it('@warren/cli has the version and the Node of warren', () => {
  expect(command).toMatchObject({ version: library.version, engines: library.engines })
})

it('The library depends on nothing that only the command, the console or the demo uses', () => {
  expect(Object.keys(library.dependencies).sort()).toEqual([
    '@opentelemetry/api',
    '@standard-schema/spec',
    'amqplib',
    'denque',
    'fastest-levenshtein',
    'iovalkey',
  ])
})

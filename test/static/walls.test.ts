/** The walls between the rooms of src/: the table in CONTRIBUTING.md says what the lint rule holds, for types too. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

/** Each row of the table, `| errors/ | what | nothing |`, lowest room first. */
const rooms = [
  ...readFileSync('CONTRIBUTING.md', 'utf8').matchAll(/^\| `(\w+)\/` \|[^|]+\| ((?:`\w+\/`(?:, )?)+|nothing) \|$/gm),
]
  .map(([, name = '', may = '']) => ({ name, may: [...may.matchAll(/`(\w+)\/`/g)].map(([, each = '']) => each) }))
  .filter(({ name }) => readdirSync('src').includes(name))

it('Every room of src/ is in the table, and imports only what stands above it there', () => {
  const folders = readdirSync('src', { withFileTypes: true }).filter((each) => each.isDirectory())
  expect(rooms.map(({ name }) => name).sort()).toEqual(folders.map(({ name }) => name).sort())
  rooms.forEach(({ name, may }, place) => {
    const above = rooms.slice(0, place).map((each) => each.name)
    expect({ name, wrong: may.filter((each) => !above.includes(each)) }).toEqual({ name, wrong: [] })
  })
})

it('The lint rule refuses every other import, of values and of types', () => {
  const folder = mkdtempSync(join(tmpdir(), 'warren-walls-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { vcs: _vcs, $schema: _schema, ...rules } = JSON.parse(readFileSync('biome.json', 'utf8'))
  writeFileSync(join(folder, 'biome.json'), JSON.stringify(rules))
  for (const { name } of rooms) {
    mkdirSync(join(folder, 'src', name), { recursive: true })
    const others = rooms.filter((each) => each.name !== name)
    // One line each, so that a line says which import was refused.
    const lines = others.flatMap((other) => [
      `export { value${other.name} } from '../${other.name}/any.js'`,
      `export type { Type${other.name} } from '../${other.name}/any.js'`,
    ])
    writeFileSync(join(folder, 'src', name, 'probe.ts'), `${lines.join('\n')}\n`)
  }
  const refused = refusedLines(folder)
  for (const { name, may } of rooms) {
    const others = rooms.filter((each) => each.name !== name).map((each) => each.name)
    const passes = (kind: number) =>
      others.filter((_, index) => !refused.has(`src/${name}/probe.ts:${2 * index + kind}`))
    const allowed = others.filter((each) => may.includes(each))
    expect({ name, values: passes(1), types: passes(2) }).toEqual({ name, values: allowed, types: allowed })
  }
})

/** `file:line` of every import that the rule refuses in a folder. */
function refusedLines(folder: string): Set<string> {
  const args = ['lint', '--only=style/noRestrictedImports', '--reporter=json', '--max-diagnostics=none', 'src']
  const { stdout } = spawnSync(resolve('node_modules/.bin/biome'), args, { cwd: folder, encoding: 'utf8' })
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { location: { path: string; start: { line: number } } }[]
  }
  return new Set(diagnostics.map(({ location: { path, start } }) => `${path}:${start.line}`))
}

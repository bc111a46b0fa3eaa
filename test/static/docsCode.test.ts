/**
 * The promise: every block of code in the docs is a file that tests run, or is compiled, parsed or looked up here. A page
 * that shows a snippet says what is given to it in `test/support/docs/given/`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { commandLines, problemOfCall, warrenCommands } from '../support/docs/commandLines.js'
import { blocks, root, text } from '../support/docs/pages.js'
import { givenOf, programOf } from '../support/docs/snippets.js'

const where = ({ page, line }: { page: string; line: number }): string => `${page}:${line}`
const named = blocks.filter(({ file }) => file !== undefined)
const unnamed = (...languages: string[]) =>
  blocks.filter(({ file, language }) => file === undefined && languages.includes(language))

it('Every block has a language that is checked here, or is a file', () => {
  const checked = ['', 'sh', 'console', 'text', 'ts', 'js', 'json', 'yaml', 'python']
  expect(
    unnamed(...new Set(blocks.map(({ language }) => language)))
      .filter(({ language }) => !checked.includes(language))
      .map(where),
  ).toEqual([])
})

describe('A block that names a file is that file', () => {
  it.each(named.map((block) => ({ ...block, at: where(block) })))('$at: $file', ({ file = '', code }) => {
    expect(existsSync(join(root, file)), file).toBe(true)
    expect(code).toBe(text(file))
  })

  it('and every example is shown in a page', () => {
    const examples = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    const shown = new Set(named.map(({ file }) => file))
    expect(examples.filter((file) => !shown.has(file) && !isForTests(file))).toEqual([])
  })
  const isForTests = (file: string): boolean =>
    /tsconfig\.json$|examples\/web\/(test\/|vitest\.config|node_modules\/)/.test(file)
})

it('Every snippet of TypeScript compiles', () => {
  const folder = mkdtempSync(join(root, '.warren-docs-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const snippets = unnamed('ts')
  expect(snippets.length).toBeGreaterThan(20)
  const programs = snippets.map((block, index) => ({ block, file: `snippet${index}.ts` }))
  for (const { block, file } of programs) writeFileSync(join(folder, file), programOf(block, basename(folder)))
  const relaxed = {
    noUnusedLocals: false,
    noUnusedParameters: false,
    verbatimModuleSyntax: false,
    isolatedModules: false,
  }
  const config = { extends: '../tsconfig.json', compilerOptions: relaxed, include: ['*.ts'], exclude: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
    cwd: root,
    encoding: 'utf8',
  })
  const said = programs.reduce(
    (output, { block, file }) =>
      output.replaceAll(new RegExp(`^\\S*${file}\\(`, 'gm'), `${where(block)}, given ${givenOf(block.page)} (`),
    stdout,
  )
  expect(said).toBe('')
}, 120_000)

it.each(unnamed('js').map((block) => ({ ...block, at: where(block) })))('$at is JavaScript', ({ code }) => {
  const args = ['--input-type=module', '--check', '-']
  const { stderr, status } = spawnSync(process.execPath, args, { input: code, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

it.each(unnamed('json').map((block) => ({ ...block, at: where(block) })))('$at is JSON', ({ code }) => {
  expect(() => JSON.parse(code)).not.toThrow()
})

it.each(unnamed('yaml').map((block) => ({ ...block, at: where(block) })))('$at is YAML', ({ code }) => {
  expect(parseAllDocuments(code).flatMap(({ errors }) => errors)).toEqual([])
})

it.each(unnamed('python').map((block) => ({ ...block, at: where(block) })))('$at is Python', ({ code }) => {
  execFileSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], { input: code })
})

describe('Command lines', async () => {
  const commands = await warrenCommands()
  const lines = blocks.flatMap((block) =>
    commandLines(block).map((line) => ({ at: where(block), page: block.page, line })),
  )

  it('call commands of warren that exist, with options that they have', () => {
    const calls = lines.filter(({ line }) => /(^| )warren \w/.test(line))
    expect(calls.length).toBeGreaterThan(30)
    expect(calls.flatMap(({ at, line }) => problemOfCall(line, commands)?.replace(/^/, `${at}: `) ?? [])).toEqual([])
  })

  it('(and one that does not is found)', () => {
    expect(problemOfCall('npx warren dlq list --domain payment', commands)).toBeUndefined()
    expect(problemOfCall('npx warren dlq list --domian payment', commands)).toBe('`warren dlq list` has no --domian')
    expect(problemOfCall('warren dlg list', commands)).toBe('there is no command `warren dlg`')
  })

  it('run npm scripts that exist', () => {
    const scriptsOf = (file: string): string[] => Object.keys(JSON.parse(text(file)).scripts)
    const scripts = [...scriptsOf('package.json')]
    const ofTemplate = scriptsOf('packages/create-warren/template/package.json')
    const wrong = lines.filter(({ page, line }) => {
      const [, script] = /^npm run (?:-\S+ )?([\w:]+)/.exec(line) ?? []
      if (script === undefined) return false
      return !(page.startsWith('packages/create-warren') ? ofTemplate : scripts).includes(script)
    })
    expect(wrong).toEqual([])
  })

  it('name test files and projects that exist', () => {
    const runs = lines.filter(({ line }) => line.startsWith('npx vitest run --project'))
    const files = runs.flatMap(({ line }) => line.match(/\btest\/\S+\.test\.ts/g) ?? [])
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([])
    const projects = runs.map(({ line }) => /--project (\w+)/.exec(line)?.[1])
    expect(projects.filter((name) => !text('vitest.config.ts').includes(`project('${name}'`))).toEqual([])
  })
})

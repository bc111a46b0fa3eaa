/** The docs and the code say the same, both ways: what one of them names and the other does not, fails here. */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  defaults,
  defineTask,
  headers,
  type OptionsError,
  prepare,
  producerMetrics,
  workerMetrics,
} from '../../src/index.js'
import { DEFAULT_RETRY } from '../../src/task/task.js'
import { DEFAULT_DELIVERY_LIMIT } from '../../src/task/topology.js'
import { Warren } from '../../src/warren.js'
import { warrenCommands } from '../support/docs/commandLines.js'
import { anchor, blocksOf, pages, root, text } from '../support/docs/pages.js'

const names = (source: string, pattern: RegExp): string[] =>
  [...source.matchAll(pattern)].map((match) => match[1] ?? '')

/** A page by its headings; what stands before the first is under the empty one. */
function sections(page: string): Map<string, string> {
  const found = new Map<string, string>()
  let heading = ''
  for (const line of text(page).split('\n')) {
    if (line.startsWith('## ')) heading = line.slice(3)
    found.set(heading, `${found.get(heading) ?? ''}${line}\n`)
  }
  return found
}

/** The rows of the tables in a text, as cells, without heads and rules. */
const rows = (markdown: string): string[][] =>
  markdown
    .split('\n')
    .filter(
      (line, index, all) => line.startsWith('|') && !/^\|[-|]+\|$/.test(line) && !all[index + 1]?.startsWith('|-'),
    )
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))

/** Every word in backticks in the first cell of each row. */
const documented = (markdown: string): string[] => rows(markdown).flatMap(([cell = '']) => words(cell))
const words = (cell: string): string[] => names(cell, /`([^`]+)`/g)

/** The body of `export interface Name … {` in a source file, without comments. */
function interfaceBody(file: string, name: string): string {
  const source = text(file)
  const start = source.search(new RegExp(`export interface ${name}\\b`))
  expect(start, `${name} in ${file}`).toBeGreaterThanOrEqual(0)
  const body = source.slice(source.indexOf('{\n', start), source.indexOf('\n}', start))
  return body.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*/g, '')
}

const sameNames = (docs: readonly string[], code: readonly string[]): void =>
  expect([...docs].sort()).toEqual([...new Set(code)].sort())

const unopened = (): Warren => new Warren({ broker: 'amqp://localhost', logger: false })

describe('docs/reference/options.md', () => {
  const page = sections('docs/reference/options.md')
  const section = (name: string): string => page.get(name) ?? ''
  const task = { name: 'user.docs.test', input: z.object({}) }

  it.each([
    ['connect', 'src/connectOptions.ts', 'ConnectOptions'],
    ['history', 'src/results/historyOptions.ts', 'HistoryOptions'],
    ['history.tasks', 'src/results/historyQuery.ts', 'HistoryQuery'],
    ['send', 'src/send/sender.ts', 'SendOptions'],
    ['unique', 'src/control/uniqueOptions.ts', 'UniqueOptions'],
    ['sendMany', 'src/send/sendMany.ts', 'SendManyOptions'],
    ['prepare', 'src/send/prepared.ts', 'PrepareOptions'],
    ['publishPrepared', 'src/send/sender.ts', 'PublishPreparedOptions'],
    ['result', 'src/send/handle.ts', 'ResultOptions'],
    ['cancel', 'src/control/control.ts', 'CancelOptions'],
    ['pause', 'src/control/control.ts', 'PauseQueueOptions'],
    ['worker', 'src/work/workerOptions.ts', 'WorkerOptions'],
    ['defineTask', 'src/task/task.ts', 'TaskOptions'],
    ['limit', 'src/task/limit.ts', 'LimitOptions'],
    ['rate', 'src/task/limit.ts', 'RateOptions'],
    ['limits.set', 'src/control/limits.ts', 'LimitSettings'],
    ['order', 'src/task/lanes.ts', 'OrderOptions'],
    ['retry', 'src/task/task.ts', 'RetryPolicy'],
    ['retention', 'src/task/topology.ts', 'Retention'],
    ['serveWorker', 'src/observe/workerServer.ts', 'ServeOptions'],
    ['handle', 'src/isolate/isolatePool.ts', 'IsolatedHandler'],
    ['handleBatch', 'src/work/batcher.ts', 'BatchOptions'],
    ['filter', 'src/deadLetters/filter.ts', 'DeadLetterFilter'],
    ['list', 'src/deadLetters/deadLetters.ts', 'ListOptions'],
    ['purge', 'src/deadLetters/deadLetters.ts', 'PurgeOptions'],
    ['redrive', 'src/deadLetters/deadLetters.ts', 'RedriveOptions'],
    ['flows.start', 'src/flow/flows.ts', 'FlowOptions'],
    ['step', 'src/flow/parts.ts', 'StepOptions'],
    ['schedules', 'src/time/schedulesOptions.ts', 'SchedulesOptions'],
    ['upsert', 'src/time/definition.ts', 'ScheduleOptions'],
  ])('lists the options of %s', (heading, file, name) => {
    sameNames(documented(section(heading)), names(interfaceBody(file, name), /^ {2}readonly (\w+)\??:/gm))
  })

  /** No check lets a symbol through, so an option that is known is refused by its own check. */
  it.each<[string, (options: never) => unknown]>([
    ['connect', (options) => new Warren(options)],
    ['history', (history) => new Warren({ broker: 'amqp://localhost', logger: false, history })],
    ['history.tasks', (options) => unopened().history.tasks(options)],
    ['send', (options) => unopened().send(defineTask(task), {}, options)],
    ['unique', (unique) => unopened().send(defineTask(task), {}, { unique })],
    ['prepare', (options) => prepare(defineTask(task), {}, options)],
    ['publishPrepared', (options) => unopened().publishPrepared({} as never, options)],
    ['worker', (options) => unopened().worker(options)],
    ['defineTask', (options) => defineTask(options)],
    ['retry', (options) => defineTask({ ...task, retry: options })],
    ['limit', (options) => defineTask({ ...task, limit: options })],
    ['rate', (options) => defineTask({ ...task, limit: { rate: options } })],
    ['limits.set', (options) => unopened().limits.set({ task: 'user.docs.test' }, options)],
    ['handle', (options) => unopened().worker({ service: 'docs' }).handle(defineTask(task), options)],
    ['filter', (options) => unopened().deadLetters({ domain: 'user' }).list(options)],
    ['list', (options) => unopened().deadLetters({ domain: 'user' }).list({}, options)],
  ])('lists what %s really takes', async (heading, call) => {
    const listed = documented(section(heading))
    expect(listed.length).toBeGreaterThan(0)
    const options = Object.fromEntries(listed.map((name) => [name, Symbol()])) as never
    const refused = await Promise.resolve()
      .then(() => call(options))
      .then(
        () => expect.unreachable(),
        (error: OptionsError) => error.problems,
      )
    sameNames(
      listed.map((name) => `expected \`${name}\``),
      refused.map((problem) => problem.split(' to be ', 1)[0] ?? ''),
    )
  })

  it('gives every default as it is', () => {
    const told = [...page.entries()].flatMap(([heading, markdown]) =>
      rows(markdown).map(([name = '', value = '']) => ({ heading, name: words(name)[0] ?? '', value })),
    )
    const all = { ...defaults, ...DEFAULT_RETRY, deliveryLimit: DEFAULT_DELIVERY_LIMIT }
    for (const [name, value] of Object.entries(all)) {
      const values = told
        .filter(
          (each) =>
            each.name === name &&
            !['send', 'publishPrepared', 'deadLetters', 'limit', 'limits.set'].includes(each.heading),
        )
        .map((each) => each.value)
      expect(values.length, name).toBeGreaterThan(0)
      for (const each of values) expect(each.replaceAll(/[,`]/g, ''), name).toBe(String(value))
    }
    sameNames(
      told.filter(({ heading }) => heading === 'Fixed').map(({ name }) => name),
      Object.keys(defaults).filter((name) => !told.some((each) => each.name === name && each.heading !== 'Fixed')),
    )
  })
})

describe('docs/reference/errors.md', () => {
  const source = readdirSync(join(root, 'src/errors'))
    .map((file) => text(`src/errors/${file}`))
    .join('\n')
  const page = sections('docs/reference/errors.md')
  const codesIn = (file: string, type: string): string[] =>
    names(text(file).split(`export type ${type} =`)[1]?.split('\n\n')[0] ?? '', /'([A-Z_]+)'/g)

  it('lists every code with its class', () => {
    const listed = rows(page.get('') ?? '').map(([code = '', name = '']) => [words(code)[0], words(name)[0]])
    const classes = source.split(/^export class /gm).slice(1)
    const inCode = classes.flatMap((each) => {
      const [, code] = /super\(\s*'([A-Z_]+)'/.exec(each) ?? []
      return code === undefined ? [] : [[code, /^\w+/.exec(each)?.[0]]]
    })
    expect(listed.sort()).toEqual(inCode.sort())
    sameNames(
      listed.map(([code]) => code ?? ''),
      codesIn('src/errors/error.ts', 'ErrorCode'),
    )
  })

  it('says of each whether the same call may succeed later', () => {
    const retryable = source.split(/^export class /gm).flatMap((each) => {
      const [, code] = /super\(\s*'([A-Z_]+)'/.exec(each) ?? []
      return code !== undefined && /retryable: true/.test(each) ? [code] : []
    })
    const told = rows(page.get('') ?? '').filter(([, , flag]) => flag === 'yes')
    sameNames(
      told.flatMap(([code = '']) => words(code)),
      retryable,
    )
  })

  it('lists every code of the local cluster', () => {
    sameNames(documented(page.get('The local cluster') ?? ''), codesIn('cluster/errors.ts', 'ClusterErrorCode'))
  })
})

describe('docs/reference/events.md', () => {
  it.each([
    ['Of the connection', 'WarrenEvents'],
    ['Of a worker', 'WorkerEvents'],
  ])('lists the events %s with their fields', (heading, type) => {
    const body = interfaceBody('src/observe/events.ts', type)
    const reference = ['id', 'task', 'queue', 'number']
    const inCode = [...body.matchAll(/^ {2}(\w+): \[([\s\S]*?)\](?:,|$)/gm)].map(([, event = '', payload = '']) => [
      event,
      [...(payload.includes('AttemptRef') ? reference : []), ...names(payload, /(\w+)\??: /g)].sort(),
    ])
    const listed = rows(sections('docs/reference/events.md').get(heading) ?? '').map(([event = '', fields = '']) => [
      words(event)[0],
      words(fields).sort(),
    ])
    expect(inCode.length).toBeGreaterThan(3)
    expect(listed.sort()).toEqual(inCode.sort())
  })
})

it('docs/reference/metrics.md lists every metric with its type and labels', async () => {
  const registry = workerMetrics(unopened().worker({ service: 'docs' }), new Registry())
  producerMetrics(unopened(), registry)
  const inCode = registry
    .getMetricsAsArray()
    .filter(({ name }) => name.startsWith('warren_'))
    .map((metric) => ({
      name: metric.name,
      // Every metric of prom-client has it, but its types do not say so.
      labels: [...((metric as unknown as { labelNames?: string[] }).labelNames ?? [])].sort(),
    }))
  const types = new Map(
    [...(await registry.metrics()).matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name, type]) => [name, type]),
  )
  const listed = rows(text('docs/reference/metrics.md')).map(([name = '', type = '', labels = '']) => [
    words(name)[0],
    type,
    words(labels).sort(),
  ])
  expect(listed.sort()).toEqual(inCode.map(({ name, labels }) => [name, types.get(name), labels]).sort())
})

describe('docs/reference/messages.md', () => {
  const page = sections('docs/reference/messages.md')
  it('lists every header of Warren', () => {
    sameNames(documented(page.get('Headers of Warren') ?? ''), Object.values(headers))
  })
  it('lists every reason', () => {
    const source =
      text('src/wire/deadLetterReason.ts').split('export type DeadLetterReason =')[1]?.split('\n\n')[0] ?? ''
    sameNames(documented(page.get('Reasons of Warren') ?? ''), names(source, /\| '([a-z-]+)'/g))
  })
})

describe('docs/reference/cli.md', () => {
  const page = sections('docs/reference/cli.md')

  it('lists every command with its options', async () => {
    const inCode = [...(await warrenCommands())].map(([name, flags]) => [`warren ${name}`, flags])
    expect(inCode.length).toBeGreaterThan(10)
    const listed = [...page.entries()]
      .filter(([heading]) => heading !== '')
      .map(([heading, markdown]) => [heading, documented(markdown).map((word) => word.split(' ', 1)[0])])
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(inCode))
  })
})

/** What a barrel exports by name, and what the barrels that it passes on export. */
const exportedNames = (file: string): string[] =>
  [...text(file).matchAll(/export (?:type )?(?:\{([^}]+)\}|\* from '(\.\/[\w/]+)\.js')/g)].flatMap(
    ([, list, passedOn]) =>
      list === undefined
        ? exportedNames(join(dirname(file), `${passedOn}.ts`))
        : list
            .split(',')
            .map((each) => each.replace(/\btype\b/, '').trim())
            .filter((each) => each !== ''),
  )

it('docs/reference/api.md lists every export', () => {
  const inCode = exportedNames('src/index.ts')
  expect(inCode.length).toBeGreaterThan(50)
  sameNames(documented(text('docs/reference/api.md')), inCode)
})

describe('docs/reference/testing.md', () => {
  const page = sections('docs/reference/testing.md')
  it('lists every export', () => sameNames(documented(page.get('') ?? ''), exportedNames('src/testing/index.ts')))
  it.each([
    ['testWarren', 'src/testing/warren.ts', 'TestWarrenOptions'],
    ['testAttempt', 'src/testing/attempt.ts', 'TestAttemptOptions'],
  ])('lists the options of %s', (heading, file, name) =>
    sameNames(documented(page.get(heading) ?? ''), names(interfaceBody(file, name), /^ {2}readonly (\w+)\??:/gm)),
  )
})

it('docs/reference/configuration.md lists every environment variable', () => {
  const folders = ['src', 'cli', 'cluster', 'demo', 'drills', 'bench', 'console', 'config', 'scripts', 'test/support']
  const files = ['quorum.env', 'compose.yaml', 'deploy/store-replica/compose.yaml', 'Dockerfile', '.env.example']
  const inside = (folder: string): string[] => {
    try {
      return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    } catch {
      return []
    }
  }
  const sources = [...folders.flatMap(inside), ...files.filter((file) => existsSync(join(root, file)))].map(text)
  // Not variables: the beginnings of computed names, and HAProxy's cookie.
  const inCode = sources
    .flatMap((source) => names(source, /\b(WARREN_[A-Z0-9_]+)/g))
    .filter((name) => !name.endsWith('_') && name !== 'WARREN_NODE')
  sameNames(
    documented(text('docs/reference/configuration.md')).filter((word) => word.startsWith('WARREN_')),
    inCode,
  )
})

it('docs/how-to/troubleshooting.md quotes texts as the code has them', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  const source = files
    .map((name) => text(`src/${name}`))
    .join('\n')
    .replaceAll(/\$\{[^{}]*\}/g, '…')
    .replaceAll(/\\([`'])/g, '$1')
  const quoted = blocksOf('docs/how-to/troubleshooting.md').filter(({ language }) => language === 'text')
  expect(quoted.length).toBeGreaterThan(20)
  // Sentence by sentence, without what stands for a name or a reason.
  const pieces = quoted
    .flatMap(({ code }) => code.split(/…|[.:] |\n/))
    .map((piece) => piece.replaceAll(/^[^\w(]+|[^\w)]+$/g, ''))
  expect(pieces.filter((piece) => piece.length > 3 && !source.includes(piece))).toEqual([])
})

describe('Links lead somewhere', () => {
  it.each(pages)('in %s', (page) => {
    const prose = text(page).replaceAll(/```[\s\S]*?```/g, '')
    for (const link of names(prose, /\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue
      const [path = '', fragment] = link.split('#', 2)
      const target = path === '' ? page : normalize(join(dirname(page), path))
      expect(existsSync(join(root, target)), link).toBe(true)
      if (fragment !== undefined) expect(names(text(target), /^#+ (.+)$/gm).map(anchor), link).toContain(fragment)
    }
  })
})

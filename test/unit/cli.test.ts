import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseScale } from '../../cli/scale.js'
import { duration, statusText } from '../../cli/status.js'
import { table } from '../../cli/table.js'
import { parseWorkers } from '../../cli/up.js'
import { command as warren } from '../support/command.js'

const empty = mkdtempSync(join(tmpdir(), 'warren-cli-'))
afterAll(() => rmSync(empty, { recursive: true }))

const VERBS = [
  'up',
  'worker',
  'status',
  'scale',
  'start',
  'stop',
  'kill',
  'freeze',
  'thaw',
  'restart',
  'definitions',
  'drill',
]

describe('the warren command', () => {
  it.each(VERBS)('%s --help ends with examples and exit code 0', async (verb) => {
    const { code, out, err } = await warren(verb, '--help')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('Examples:')
  })

  it('lists every verb in its help, and knows its version', async () => {
    const { code, out } = await warren('--help')
    expect(code).toBe(0)
    for (const verb of [...VERBS, 'client']) expect(out).toContain(`  ${verb}`)
    expect(await warren('--version')).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })

  it.each([
    [[], 'expected a command'],
    [['stats'], 'status'],
    [['dlq', 'show'], "missing required argument 'id'"],
    [['dlq', 'lsit'], 'list'],
    [['status', '--jsn'], '--json'],
    [['scale'], "missing required argument 'worker=N'"],
    [['scale', 'worker=-1'], 'expected worker=N with N from 0 to 149, got: worker=-1'],
    [['scale', '10'], 'got: 10'],
    [['up', '--workers', 'many'], 'expected a whole number from 0 to 149, got: many'],
    [['kill'], "missing required argument 'name'"],
    [['definitions', '--check', '--write'], 'cannot be used with'],
    [['status', 'extra'], 'too many arguments'],
    [['drill', 'run'], "missing required argument 'name'"],
    [['drill', 'run', 'kill-worker', '--repeat', '0'], 'expected a whole number from 1 to 9999, got: 0'],
    [['drill', 'run', 'kill-worker', '--sabotage', 'all'], 'Allowed choices are early-ack'],
  ])('answers wrong use %j with one line and exit code 2', async (words, expected) => {
    const { code, out, err } = await warren(...words)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(expected)
    expect(err).toMatch(/^warren[^\n]*see warren [^\n]*--help\n$/)
  })

  it.each([
    [['stats'], 'warren --help'],
    [['dlq', 'show'], 'warren dlq show --help'],
    [['dlq', 'lsit'], 'warren dlq --help'],
    [['drill', 'run'], 'warren drill run --help'],
    [['status', '--jsn'], 'warren status --help'],
    [['--versoin'], 'warren --help'],
  ])('wrong use %j points at help that exists', async (words, help) => {
    const { err } = await warren(...words)
    expect(err).toMatch(new RegExp(`see ${help}\n$`))
    expect((await warren(...help.split(' ').slice(1))).code).toBe(0)
  })

  it.each([
    ['status', []],
    ['scale', ['worker=2']],
    ['stop', ['rabbitmq-1']],
    ['worker', []],
  ])('%s says that no cluster is running, with exit code 1', async (verb, words) => {
    const { code, err } = await warren(verb, ...words, '--dir', empty)
    expect(code).toBe(1)
    expect(err).toContain(`warren ${verb}: Warren is not running in ${empty}: start it with npm start`)
    expect(err.trimEnd()).not.toContain('\n')
  })

  it('names the drill that was meant, before it starts anything', async () => {
    const { code, out, err } = await warren('drill', 'run', 'kill-wroker')
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain('did you mean `kill-worker`?')
  })

  it('prints definitions without any password in clear', async () => {
    const { code, out } = await warren('definitions')
    expect(code).toBe(0)
    const { users } = JSON.parse(out) as { users: Record<string, unknown>[] }
    expect(users.length).toBe(4)
    for (const user of users) expect(Object.keys(user)).not.toContain('password')
  })

  describe('definitions --module', () => {
    const file = (name: string, text: string): string => {
      const path = join(empty, name)
      writeFileSync(path, text)
      return path
    }
    // As another copy of Warren would make it.
    const task = (name: string, type = 'quorum') => `{ name: '${name}', queue: { type: '${type}' }, input: {} }`
    const module = file(
      'tasks.mjs',
      `export const resize = ${task('image.file.resize')}
       export const more = [${task('mail.letter.send', 'classic')}]
       export default { all: { resize } }
       export const retention = { 'image.file.resize': { ttlMs: 60000, deliveryLimit: 5 } }
       export const helper = () => 1`,
    )

    it('prints what an operator predefines for tasks of your own: dead letters, policies, delay levels, no users', async () => {
      const { code, out } = await warren('definitions', '--module', module, '--service', 'shop', '--vhost', 'images')
      expect(code).toBe(0)
      const made = JSON.parse(out) as Record<string, { name: string; vhost?: string; definition?: object }[]>
      const names = (part: string) => made[part]?.map(({ name }) => name)
      expect(made.users).toEqual([])
      expect(names('vhosts')).toEqual(['images'])
      expect(names('exchanges')).toEqual(expect.arrayContaining(['image.dlx', 'mail.dlx', 'warren.delay.due']))
      expect(names('queues')).toEqual(expect.arrayContaining(['image.dlq', 'mail.dlq', 'warren.delay.level.23']))
      expect(new Set(made.queues?.map(({ vhost }) => vhost))).toEqual(new Set(['images']))
      expect(names('policies')).toEqual(
        expect.arrayContaining(['image.file.resize.shop', 'mail.letter.send.shop', 'image.dlq', 'mail.dlq']),
      )
      expect(names('policies')).toHaveLength(4)
      const policy = made.policies?.find(({ name }) => name === 'image.file.resize.shop')
      expect(policy?.definition).toMatchObject({ 'message-ttl': 60000, 'delivery-limit': 5 })
    })

    it('takes several modules', async () => {
      const other = file('other.mjs', `export const a = ${task('stock.item.count')}`)
      const { out } = await warren('definitions', '--module', module, other, '--service', 'shop')
      expect(out).toContain('"stock.dlx"')
      expect(out).toContain('"image.dlx"')
    })

    it.each([
      ['no service', ['--module', module], 'expected --service with'],
      ['a service that is no name', ['--module', module, '--service', 'my shop'], 'my shop'],
      ['a service without a module', ['--service', 'shop'], '--service is for --module only'],
      ['no file', ['--module', join(empty, 'absent.js'), '--service', 's'], 'absent.js'],
      [
        'a module without tasks',
        ['--module', file('none.mjs', 'export const port = 1'), '--service', 's'],
        'exports port, none of which is a task',
      ],
      ['an empty module', ['--module', file('empty.mjs', ''), '--service', 's'], 'exports nothing'],
      [
        'a retention of an unknown task',
        [
          ...['--module', file('r.mjs', `export const a = ${task('a.b.c')}; export const retention = { 'a.b': {} }`)],
          ...['--service', 's'],
        ],
        'retention names a.b, expected names of tasks: a.b.c',
      ],
      [
        'a retention that is no number',
        [
          ...[
            '--module',
            file('q.mjs', `export const retention = { 'a.b': { ttl: '1h' } }; export const a = ${task('a.b')}`),
          ],
          ...['--service', 's'],
        ],
        'expected { ',
      ],
      ['no address', ['--module', module, '--service', 's', '--load', 'localhost'], 'Expected --load to be an address'],
    ])('says what is wrong: %s', async (_what, words, sentence) => {
      const { code, out, err } = await warren('definitions', ...words)
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toContain(sentence)
    })

    it('says why a module cannot be imported', async () => {
      const broken = file('broken.mjs', 'throw new Error("no DATABASE_URL")')
      const { code, err } = await warren('definitions', '--module', broken, '--service', 's')
      expect(code).toBe(1)
      expect(err).toContain('no DATABASE_URL')
    })

    it('never prints the password of the address that it loads into', async () => {
      const address = 'http://me:s3cret@127.0.0.1:9'
      const { code, err } = await warren('definitions', '--module', module, '--service', 's', '--load', address)
      expect(code).toBe(1)
      expect(err).toContain('http://127.0.0.1:9/api/definitions')
      expect(err).not.toContain('s3cret')
    })
  })
})

describe('its parts', () => {
  it('reads worker counts', () => {
    expect(parseScale('worker=10')).toBe(10)
    expect(parseScale('workers=0')).toBe(0)
    expect(() => parseScale('worker=150')).toThrow('from 0 to 149')
    expect(() => parseScale('node=3')).toThrow('got: node=3')
    expect(parseWorkers('149')).toBe(149)
    expect(() => parseWorkers('1.5')).toThrow('got: 1.5')
  })

  it('lines up tables and shortens durations', () => {
    expect(table(['A', 'LONG'], [['wide', 'x'], ['b']])).toBe('A     LONG\nwide  x\nb\n')
    expect([0, 119_999, 120_000, 7_200_000, 172_800_000].map(duration)).toEqual(['0 s', '119 s', '2 min', '2 h', '2 d'])
  })

  it('shows a status', () => {
    const at = '2026-01-01T00:00:00.000Z'
    const text = statusText(
      {
        dir: '/w/.warren',
        pid: 7,
        state: 'running',
        addresses: {
          amqp: ['amqp://127.0.0.1:5680'],
          nodes: [],
          results: 'redis://127.0.0.1:26040',
          edge: 'http://127.0.0.1:8000',
          management: { edge: '', nodes: [], metrics: [] },
          prometheus: undefined,
        },
        processes: [
          {
            ...{ name: 'rabbitmq-1', kind: 'rabbitmq', state: 'running', pid: 10, ports: [26001, 26021], since: at },
            ...{ restarts: 0, detail: undefined, sees: ['a', 'b'], front: 'UP' },
          },
          {
            ...{ name: 'worker-1', kind: 'worker', state: 'restarting', pid: undefined, ports: [26051], since: at },
            ...{ restarts: 2, detail: 'exit code 1\nlog line' },
          },
        ],
      },
      Date.parse(at) + 60_000,
    )
    expect(text).toContain('is running (launcher: process 7)')
    expect(text).toMatch(/rabbitmq-1 +running +10 +26001 26021 +60 s +sees 2 of 3 nodes, HAProxy: UP\n/)
    expect(text).toMatch(/worker-1 +restarting +26051 +60 s +2 +exit code 1\n/)
  })
})

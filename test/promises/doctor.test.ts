/**
 * The promise: `warren doctor` calls a healthy cluster healthy, and of one that is broken in one way it names that way and nothing
 * else. Each way has a virtual host of its own on the real cluster, or a real store of its own; it is broken as operators break
 * theirs, and looked at by the command. What a cluster that others share cannot be made to show (nodes, versions, partitions,
 * alarms, a queue that is down) is in test/unit/doctor.test.ts, on snapshots.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../cli/program.js'
import {
  definitions,
  joinPlans,
  type OperatorPlan,
  planDelays,
  planOperator,
  planService,
  type QueueType,
} from '../../src/index.js'
import { clusterUrls, manage, testCluster, until, virtualHost } from '../support/cluster.js'
import { atEnd, type OwnStore, ownStore } from '../support/ownStore.js'

const SERVICE = 'shop'
const TASK = 'pay.bill.send'
const QUEUE = `${TASK}.${SERVICE}`
const USER = `doctor-${process.pid}`
/** With what a URL must have encoded in it. */
const PASSWORD = 'secret/of:the@service'
const folder = mkdtempSync(join(tmpdir(), 'warren-doctor-'))
atEnd(() => rmSync(folder, { recursive: true, force: true }))

const LOAD = 'warren definitions --module'
const RIGHTS = {
  configure: '^pay\\.commands$|\\.shop$|^warren\\.delay\\.',
  write: '^pay\\.(commands|dlx)$|\\.shop$|^warren\\.delay\\.|^amq\\.default$',
  read: '^pay\\.commands$|\\.shop$|^warren\\.delay\\.',
}

interface Finding {
  readonly check: string
  readonly severity: string
  readonly finding: string
  readonly why: string
  readonly fix: string
}
interface Seen {
  readonly code: number
  readonly said: string
  readonly findings: readonly Finding[]
  readonly unknown: readonly {
    readonly what: string
    readonly why: string
    readonly fix: string
    readonly checks: string[]
  }[]
  readonly summary: { readonly healthy: boolean }
}

async function doctor(...words: string[]): Promise<Seen> {
  let said = ''
  const code = await run(['doctor', ...words, '--json'], {
    out: (text) => (said += text),
    err: (text) => (said += text),
  })
  const lines = said.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
  const of = (event: string) => lines.filter((line) => line.event === event)
  return { code, said, findings: of('finding'), unknown: of('unknown'), summary: of('summary')[0] }
}

const management = (user = 'admin'): string =>
  testCluster()
    .management.map((each) => each.replace('http://', `http://${user}:${user}@`))
    .join(',')
const broker = (vhost: string, password = PASSWORD): string =>
  clusterUrls('admin', vhost).broker.replace('admin:admin', `${USER}:${encodeURIComponent(password)}`)

const put = (vhost: string, what: string, name: string, body: object) =>
  manage('PUT', `/${what}/${vhost}/${name}`, body)
const remove = (vhost: string, what: string, name: string) => manage('DELETE', `/${what}/${vhost}/${name}`)
const grant = (vhost: string, rights: object) => put(vhost, 'permissions', USER, rights)

const RETAINED = {
  'dead-letter-exchange': 'pay.dlx',
  'dead-letter-strategy': 'at-least-once',
  overflow: 'reject-publish',
}
const policy = (vhost: string, queue: string, definition: object, more: object = {}) =>
  put(vhost, 'policies', queue, {
    ...{ pattern: `^${queue.replaceAll('.', '\\.')}$`, 'apply-to': 'queues', priority: 0, definition },
    ...more,
  })

interface Host {
  readonly vhost: string
  /** Everything as it was, but for what was added. */
  readonly restore: () => Promise<void>
}

/** A virtual host with everything that a service of one task has: what operators load, and what the service declares. */
async function host(type: QueueType = 'quorum', more: readonly OperatorPlan[] = []): Promise<Host> {
  const tasks = [{ name: TASK, queue: { type } }]
  const { vhost } = await virtualHost(SERVICE, tasks)
  const operator = planOperator(SERVICE, tasks, { [TASK]: { ttlMs: 600_000, deliveryLimit: 20 } })
  const plan = joinPlans(operator, { ...planService(SERVICE, tasks), policies: [] }, ...more)
  const { vhosts: _, users: __, permissions: ___, ...parts } = definitions(plan, [])
  const body = JSON.parse(JSON.stringify(parts, (key, value) => (key === 'vhost' ? undefined : value)))
  const restore = async () => {
    await manage('POST', `/definitions/${vhost}`, body)
    await grant(vhost, RIGHTS)
  }
  await restore()
  return { vhost, restore }
}

/** One queue more, declared at a node. Returns how to remove it. */
async function declare(
  vhost: string,
  queue: string,
  body: object,
  exchange: string,
  at = 0,
): Promise<() => Promise<unknown>> {
  const address = testCluster().management[at] ?? ''
  const response = await fetch(`${address}/api/queues/${vhost}/${queue}`, {
    method: 'PUT',
    headers: { authorization: `Basic ${btoa('admin:admin')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ durable: true, ...body }),
  })
  if (!response.ok) throw new Error(`declaring ${queue}: ${response.status} ${await response.text()}`)
  const routing_key = exchange.endsWith('.dlx') ? '#' : queue.slice(0, -SERVICE.length - 1)
  await manage('POST', `/bindings/${vhost}/e/${exchange}/q/${queue}`, { routing_key })
  return () => remove(vhost, 'queues', queue)
}

const isVersion4 = async (): Promise<boolean> =>
  Number((await manage<{ rabbitmq_version: string }>('GET', '/overview')).rabbitmq_version.split('.')[0]) >= 4

interface Way {
  readonly what: string
  readonly type?: QueueType
  /** May return what to do afterwards, beside loading the definitions again. */
  readonly breaks: (vhost: string) => Promise<unknown>
  /** Further words of the command. */
  readonly words?: () => string[]
  readonly check: string
  readonly severity: string
  readonly finding: RegExp
  readonly fix: RegExp
}

const ways: readonly Way[] = [
  {
    what: 'a task queue without its policy',
    breaks: (vhost) => remove(vhost, 'policies', QUEUE),
    check: 'dead-lettering',
    severity: 'loses',
    finding: /^pay\.bill\.send\.shop has no dead-letter exchange; no policy applies to it\.$/,
    fix: new RegExp(`^${LOAD} YOUR_TASKS.js --service shop --vhost test-.* --load http://127`),
  },
  {
    what: 'at-least-once that RabbitMQ weakens in silence',
    breaks: (vhost) => policy(vhost, QUEUE, { ...RETAINED, overflow: 'drop-head', 'delivery-limit': 20 }),
    check: 'dead-lettering',
    severity: 'loses',
    finding: /has overflow drop-head instead of reject-publish/,
    fix: new RegExp(LOAD),
  },
  {
    what: 'a dead-letter exchange that is gone, behind a classic queue',
    type: 'classic',
    breaks: (vhost) => remove(vhost, 'exchanges', 'pay.dlx'),
    check: 'dead-lettering',
    severity: 'loses',
    finding: /pay\.dlx of pay\.bill\.send\.shop does not exist/,
    fix: new RegExp(LOAD),
  },
  {
    what: 'a dead-letter exchange that is gone, behind a quorum queue, which keeps what it gives up',
    breaks: (vhost) => remove(vhost, 'exchanges', 'pay.dlx'),
    check: 'dead-lettering',
    severity: 'hurts',
    finding: /pay\.dlx of pay\.bill\.send\.shop does not exist/,
    fix: new RegExp(LOAD),
  },
  {
    what: 'a dead-letter exchange that leads to no queue',
    type: 'classic',
    breaks: (vhost) => manage('DELETE', `/bindings/${vhost}/e/pay.dlx/q/pay.dlq/%23`),
    check: 'dead-lettering',
    severity: 'loses',
    finding: /pay\.dlx of pay\.bill\.send\.shop is not bound to a queue/,
    fix: new RegExp(LOAD),
  },
  {
    what: 'a classic dead-letter queue',
    breaks: (vhost) => declare(vhost, 'pay.copy.dlq', { arguments: { 'x-queue-type': 'classic' } }, 'pay.dlx'),
    check: 'dead-letter-queues',
    severity: 'hurts',
    finding: /pay\.copy\.dlq is a classic queue/,
    fix: /rabbitmqctl delete_queue .* pay\.copy\.dlq/,
  },
  {
    what: 'a dead-letter queue whose policy drops dead letters',
    breaks: (vhost) => policy(vhost, 'pay.dlq', { 'delivery-limit': 1_000_000, 'message-ttl': 86_400_000 }),
    check: 'dead-letter-queues',
    severity: 'loses',
    finding: /pay\.dlq drops dead letters after 86400000 ms, by the policy pay\.dlq/,
    fix: /rabbitmqctl list_policies/,
  },
  {
    what: 'a delivery limit that is not in force',
    breaks: async (vhost) =>
      policy(vhost, QUEUE, { ...RETAINED, ...((await isVersion4()) ? { 'delivery-limit': -1 } : {}) }),
    check: 'delivery-limit',
    severity: 'hurts',
    finding: /No delivery limit is in force on pay\.bill\.send\.shop/,
    fix: new RegExp(LOAD),
  },
  {
    what: 'a policy for everything that hides the queues’ own',
    breaks: (vhost) =>
      put(vhost, 'policies', 'lazy', {
        ...{ pattern: '^pay\\.bill', 'apply-to': 'queues', priority: 7, definition: { 'max-length': 100_000 } },
      }),
    check: 'hidden-policies',
    severity: 'loses',
    finding: /^The policy lazy, of priority 7, hides pay\.bill\.send\.shop, of priority 0/,
    fix: /^rabbitmqctl clear_policy -p test-.* lazy/,
  },
  {
    what: 'a task queue that expires',
    breaks: (vhost) => policy(vhost, QUEUE, { ...RETAINED, 'delivery-limit': 20, expires: 86_400_000 }),
    check: 'durability',
    severity: 'loses',
    finding: /is deleted after 86400000 ms without a consumer/,
    fix: /Remove expires from the policy/,
  },
  {
    what: 'a task queue that goes with its last consumer',
    type: 'classic',
    breaks: async (vhost) => {
      const queue = `pay.brief.do.${SERVICE}`
      await policy(vhost, queue, { 'dead-letter-exchange': 'pay.dlx' })
      const classic = { auto_delete: true, arguments: { 'x-queue-type': 'classic' } }
      return declare(vhost, queue, classic, 'pay.commands')
    },
    check: 'durability',
    severity: 'loses',
    finding: /auto-delete/,
    fix: /rabbitmqctl delete_queue/,
  },
  {
    what: 'a quorum queue with one member',
    type: 'classic',
    breaks: async (vhost) => {
      const queue = `pay.single.do.${SERVICE}`
      await policy(vhost, queue, { ...RETAINED, 'delivery-limit': 20 })
      const single = { arguments: { 'x-queue-type': 'quorum', 'x-quorum-initial-group-size': 1 } }
      return declare(vhost, queue, single, 'pay.commands')
    },
    check: 'members',
    severity: 'hurts',
    finding: /pay\.single\.do\.shop has one member in a cluster of 3 nodes/,
    fix: /rabbitmq-queues grow .* all/,
  },
  {
    what: 'a task queue that is bound to nothing',
    breaks: (vhost) => manage('DELETE', `/bindings/${vhost}/e/pay.commands/q/${QUEUE}/${TASK}`),
    check: 'bindings',
    severity: 'hurts',
    finding: /pay\.bill\.send\.shop is not bound to pay\.commands/,
    fix: /Restart a worker/,
  },
  {
    what: 'a service that may not dead-letter',
    breaks: (vhost) =>
      grant(vhost, { ...RIGHTS, write: '^pay\\.commands$|\\.shop$|^warren\\.delay\\.|^amq\\.default$' }),
    check: 'permissions',
    severity: 'hurts',
    finding: /may not write pay\.dlx\./,
    fix: /^rabbitmqctl set_permissions -p test-.* '/,
  },
  {
    what: 'a service that may do everything',
    breaks: (vhost) => grant(vhost, { configure: '.*', write: '.*', read: '.*' }),
    check: 'permissions',
    severity: 'note',
    finding: /may configure, write, read every name/,
    fix: /^rabbitmqctl set_permissions/,
  },
  {
    what: 'a task that asks for a queue of another type',
    type: 'classic',
    breaks: async () => undefined,
    words: () => ['--module', module({ type: 'quorum' }), '--service', SERVICE],
    check: 'queue-types',
    severity: 'hurts',
    finding: /is a classic queue, and its task asks for a quorum queue/,
    fix: /Set queue\.type back to classic/,
  },
  {
    what: 'a task that may run longer than RabbitMQ waits',
    breaks: async () => undefined,
    words: () => ['--module', module({ timeoutMs: 7_200_000 }), '--service', SERVICE, '--consumer-timeout', '1h'],
    check: 'consumer-timeout',
    severity: 'hurts',
    finding:
      /pay\.bill\.send may run for 120 min, and RabbitMQ takes a message of pay\.bill\.send\.shop back after 60 min\.$/,
    fix: /consumer.timeout/,
  },
]

let modules = 0
/** A module that exports the task, with what is given. */
function module({ type = 'quorum', timeoutMs }: { type?: QueueType; timeoutMs?: number }): string {
  const path = join(folder, `tasks${modules++}.mjs`)
  writeFileSync(
    path,
    `export const task = { name: '${TASK}', queue: { type: '${type}' }, input: {}, retry: {}, timeoutMs: ${timeoutMs} }\n`,
  )
  return path
}

let kept: OwnStore
const sound = {} as Record<QueueType, string>
const healthy = {} as Record<QueueType, Seen>
const seen = new Map<string, Seen>()
let levels: string

const common = () => ['--management', management(), '--results', kept.url]

beforeAll(async () => {
  await manage('PUT', `/users/${USER}`, { password: PASSWORD, tags: '' })
  atEnd(() => manage('DELETE', `/users/${USER}`))
  kept = await ownStore('--appendonly', 'yes')
  levels = (await host('quorum', [planDelays()])).vhost
  await Promise.all((['quorum', 'classic'] as const).map(oneByOne))
})

/** Each way after the other in the virtual host of its type. */
async function oneByOne(type: QueueType): Promise<void> {
  const { vhost, restore } = await host(type)
  sound[type] = vhost
  healthy[type] = await doctor('--broker', broker(vhost), ...common())
  for (const way of ways.filter((each) => (each.type ?? 'quorum') === type)) {
    const undo = await way.breaks(vhost)
    seen.set(way.what, await doctor('--broker', broker(vhost), ...common(), ...(way.words?.() ?? [])))
    if (typeof undo === 'function') await undo()
    const extra = await manage<{ name: string }[]>('GET', `/policies/${vhost}`)
    for (const { name } of extra.filter((each) => ![QUEUE, 'pay.dlq'].includes(each.name)))
      await remove(vhost, 'policies', name)
    await restore()
  }
}

/** What is found beyond what a sound virtual host shows: its version, its classic queue, delay levels that nobody needed yet. */
function beyond({ findings }: Seen, type: QueueType = 'quorum'): readonly Finding[] {
  const usual = healthy[type].findings.map(({ check, severity }) => `${check} ${severity}`)
  return findings.filter(({ check, severity }) => !usual.includes(`${check} ${severity}`))
}

describe('A sound virtual host', () => {
  it.each(['quorum', 'classic'] as const)('with a %s queue is called healthy', (type) => {
    const { code, findings, unknown, summary } = healthy[type]
    expect(findings.filter(({ severity }) => severity !== 'note')).toEqual([])
    expect(unknown.map(({ what }) => what)).toEqual([expect.stringContaining('time limits')])
    expect([code, summary.healthy]).toEqual([0, true])
  })
})

describe('One way of breaking is named, and nothing else:', () => {
  it.each(ways.map((way) => [way.what, way] as const))('%s', (what, { type, check, severity, finding, fix }) => {
    const result = seen.get(what) as Seen
    expect(beyond(result, type)).toEqual([
      {
        event: 'finding',
        check,
        severity,
        finding: expect.stringMatching(finding),
        why: expect.stringMatching(/.{20}/),
        fix: expect.stringMatching(fix),
      },
    ])
    expect(result.code).toBe(severity === 'loses' ? 1 : 0)
    expect(result.summary.healthy).toBe(severity === 'note')
  })
})

it('Leaders that are all on one node are named, and nothing else', async () => {
  const local = { arguments: { 'x-queue-type': 'quorum', 'x-queue-leader-locator': 'client-local' } }
  const { vhost } = await virtualHost(SERVICE, [])
  await grant(vhost, RIGHTS)
  for (const exchange of ['pay.commands', 'pay.dlx'])
    await put(vhost, 'exchanges', exchange, { type: 'topic', durable: true })
  await declare(vhost, 'pay.dlq', local, 'pay.dlx', 1)
  await policy(vhost, 'pay.dlq', { 'delivery-limit': 1_000_000 })
  for (const name of ['a', 'b', 'c', 'd']) {
    const queue = `pay.${name}.do.${SERVICE}`
    await policy(vhost, queue, { ...RETAINED, 'delivery-limit': 20 })
    await declare(vhost, queue, local, 'pay.commands', 1)
  }
  expect(beyond(await doctor('--broker', broker(vhost), ...common()))).toEqual([
    expect.objectContaining({
      ...{
        check: 'leaders',
        severity: 'hurts',
        finding: expect.stringMatching(/^rabbitmq-2@.* leads 5 of 5 quorum queues\.$/),
      },
      fix: expect.stringContaining('rabbitmq-queues rebalance quorum'),
    }),
  ])
})

describe('Delay levels', () => {
  const look = () => doctor('--broker', broker(levels), '--management', management(), '--results', kept.url)
  const bad = ({ findings }: Seen) => findings.filter(({ severity }) => severity !== 'note')

  it('that are all there, and a queue that is not bound to what is due', async () => {
    expect(bad(await look()).map(({ check, finding }) => [check, finding])).toEqual([
      ['bindings', `${QUEUE} is not bound to warren.delay.due.`],
    ])
    for (const routing_key of [TASK, `@queue.${QUEUE}`]) {
      await manage('POST', `/bindings/${levels}/e/warren.delay.due/q/${QUEUE}`, { routing_key })
    }
    expect(bad(await look())).toEqual([])
  })

  it('with a gap, and messages that no queue took', async () => {
    await remove(levels, 'queues', 'warren.delay.level.03')
    expect(bad(await look())).toEqual([
      expect.objectContaining({
        check: 'delay-levels',
        severity: 'hurts',
        finding: expect.stringContaining('the queue warren.delay.level.03'),
      }),
    ])
    const plan = planDelays()
    const declared = plan.queues.find(({ name }) => name === 'warren.delay.level.03')
    await put(levels, 'queues', 'warren.delay.level.03', {
      durable: true,
      arguments: { 'x-queue-type': 'quorum', ...declared?.arguments },
    })
    const bound = plan.bindings.find(({ queue }) => queue === 'warren.delay.level.03')
    await manage('POST', `/bindings/${levels}/e/warren.delay.level.03/q/warren.delay.level.03`, {
      ...{ routing_key: '', arguments: bound?.arguments },
    })
    await manage('POST', `/exchanges/${levels}/warren.delay.due/publish`, {
      ...{ properties: {}, routing_key: 'nobody.is.bound', payload: 'late', payload_encoding: 'string' },
    })
    let found: readonly Finding[] = []
    // RabbitMQ counts messages every five seconds.
    await until('the message counted', async () => {
      found = bad(await look())
      return found.length > 0
    })
    expect(found).toEqual([
      expect.objectContaining({
        check: 'delays-moving',
        finding: expect.stringContaining('1 delayed messages were due and no queue took'),
      }),
    ])
  })
})

describe('The store:', () => {
  const look = (results: string) =>
    doctor('--broker', broker(sound.quorum), '--management', management(), '--results', results)

  async function full(): Promise<string> {
    const store = await ownStore('--appendonly', 'yes', '--maxmemory', '2mb', '--maxmemory-policy', 'noeviction')
    const fill = async (turn = 0): Promise<unknown> =>
      turn < 100
        ? store.admin.set(`fill-${turn}`, 'x'.repeat(100_000)).then(
            () => fill(turn + 1),
            () => undefined,
          )
        : undefined
    await fill()
    return store.url
  }
  async function withoutRights(): Promise<string> {
    const store = await ownStore('--appendonly', 'yes')
    await store.admin.call(
      'ACL',
      'SETUSER',
      'worker',
      'on',
      '>worker',
      '~warren-*',
      '&*',
      '+@all',
      '-@dangerous',
      '+info',
    )
    return store.url.replace('redis://', 'redis://worker:worker@')
  }

  it.each<[string, () => Promise<string>, string, string, RegExp]>([
    [
      'one that evicts',
      async () =>
        (await ownStore('--appendonly', 'yes', '--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru')).url,
      ...(['store-eviction', 'loses', /maxmemory-policy is allkeys-lru/] as const),
    ],
    [
      'one that keeps nothing',
      async () => (await ownStore()).url,
      'store-persistence',
      'loses',
      /no append-only file, no snapshots/,
    ],
    ['one that is full', full, 'store-writes', 'hurts', /its memory is full/],
    [
      'one that is a replica',
      async () => (await ownStore('--appendonly', 'yes', '--replicaof', '127.0.0.1', String(kept.port))).url,
      ...(['store-writes', 'hurts', /it is a replica/] as const),
    ],
    [
      'one whose user lacks a right',
      withoutRights,
      'store-writes',
      'hurts',
      /refuses SET celery-task-meta-\*: its user lacks a right/,
    ],
    [
      'one in cluster mode',
      async () => (await ownStore('--appendonly', 'yes', '--cluster-enabled', 'yes')).url,
      'store-writes',
      'hurts',
      /it is in cluster mode/,
    ],
    [
      'one whose clock is apart',
      () => skewed(kept.port, 5),
      'store-clock',
      'hurts',
      /between \d+ and \d+ ms ahead of this machine's/,
    ],
  ])('%s', async (_, url, check, severity, finding) => {
    const result = await look(await url())
    expect(beyond(result).map((each) => ({ ...each, finding: finding.test(each.finding) }))).toEqual([
      expect.objectContaining({ check, severity, finding: true }),
    ])
    expect(result.code).toBe(severity === 'loses' ? 1 : 0)
  })

  it('one that does not answer is unknown, and the rest is looked at', async () => {
    const { code, findings, unknown, summary } = await look('redis://worker:hush@127.0.0.1:9')
    expect(findings.filter(({ severity }) => severity !== 'note')).toEqual([])
    expect(unknown.map(({ what, why }) => [what, why])).toContainEqual([
      'the result store',
      expect.stringContaining('redis://127.0.0.1:9 does not answer (connect ECONNREFUSED'),
    ])
    expect([code, summary.healthy]).toEqual([0, false])
  })

  it('is not written to', async () => {
    await look(kept.url)
    expect(await kept.admin.dbsize()).toBe(0)
  })
})

/** A store behind a proxy that sets its clock ahead by some seconds. */
async function skewed(port: number, seconds: number): Promise<string> {
  const server = createTcpServer((client) => {
    const store = connectTcp(port, '127.0.0.1')
    client.pipe(store)
    store.on('data', (bytes) => {
      const text = bytes.toString('latin1')
      const moved = text.replace(/^\*2\r\n\$10\r\n(\d{10})\r\n/, (all, time) =>
        all.replace(time, String(Number(time) + seconds)),
      )
      client.write(Buffer.from(moved, 'latin1'))
    })
    client.on('close', () => store.destroy()).on('error', () => store.destroy())
    store.on('close', () => client.destroy()).on('error', () => client.destroy())
  })
  return `redis://127.0.0.1:${await listening(server)}`
}

/** The management API behind a proxy that notes what is asked, and may set its clock. */
async function watched(asked: string[], aheadMs = 0): Promise<string> {
  const [target = ''] = testCluster().management
  const server = createHttpServer(async (request, response) => {
    asked.push(request.method ?? '')
    const answer = await fetch(`${new URL(target).origin}${request.url}`, {
      ...{ method: request.method ?? 'GET', headers: { authorization: request.headers.authorization ?? '' } },
    })
    const date = new Date(Date.parse(answer.headers.get('date') ?? '') + aheadMs).toUTCString()
    response.writeHead(answer.status, { 'content-type': 'application/json', date }).end(await answer.text())
  })
  return `http://127.0.0.1:${await listening(server)}${new URL(target).pathname}`.replace(
    'http://',
    'http://admin:admin@',
  )
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => server.close())
  return (server.address() as AddressInfo).port
}

describe('The management API', () => {
  const vhost = () => broker(sound.quorum)
  const store = () => ['--results', kept.url]

  it('is only ever read', async () => {
    const asked: string[] = []
    await doctor('--broker', vhost(), '--management', await watched(asked), ...store())
    expect(asked.length).toBeGreaterThan(8)
    expect(new Set(asked)).toEqual(new Set(['GET']))
  })

  it('tells a clock that is apart', async () => {
    const result = await doctor('--broker', vhost(), '--management', await watched([], -60_000), ...store())
    expect(beyond(result)).toEqual([
      expect.objectContaining({
        check: 'node-clocks',
        severity: 'hurts',
        finding: expect.stringMatching(/ms behind this machine's/),
      }),
    ])
  })

  it('with a user without rights leaves unknown what it does not say, and names who may see it', async () => {
    const { code, unknown, summary, findings } = await doctor(
      '--broker',
      vhost(),
      '--management',
      management('service'),
      ...store(),
    )
    expect([code, summary.healthy, findings]).toEqual([0, false, []])
    expect(unknown.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['the nodes', 'policies', 'queues, exchanges and bindings']),
    )
    expect(unknown[0]).toMatchObject({
      why: expect.stringContaining('answered 401'),
      fix: expect.stringContaining('monitoring'),
    })
  })

  it('with a user who may see all but permissions', async () => {
    await grantOperator(sound.quorum)
    const { code, unknown, findings } = await doctor(
      '--broker',
      vhost(),
      '--management',
      management('operator'),
      ...store(),
    )
    expect([code, findings.filter(({ severity }) => severity !== 'note')]).toEqual([0, []])
    expect(unknown.map(({ checks, fix }) => [checks, fix])).toContainEqual([
      ['permissions'],
      expect.stringContaining('administrator'),
    ])
  })

  it('that is not given is looked for beside the broker, and said to be unknown', async () => {
    const { code, unknown, summary } = await doctor('--broker', vhost(), ...store())
    expect([code, summary.healthy]).toEqual([0, false])
    expect(unknown.find(({ what }) => what === 'the nodes')?.why).toMatch(
      /http:\/\/127\.0\.0\.1:15672 (does not answer|answered)/,
    )
  })

  it('without RabbitMQ at all: the verdict has failed', async () => {
    const { code, said, summary } = await doctor(
      '--broker',
      'amqp://a:hush@127.0.0.1:9',
      '--management',
      'http://b:hush@127.0.0.1:9',
    )
    expect([code, summary.healthy]).toEqual([1, false])
    expect(said).not.toContain('hush')
  })
})

const grantOperator = (vhost: string) =>
  put(vhost, 'permissions', 'operator', { configure: '^$', write: '^$', read: '.*' })

it('A wrong password is named as such, and never printed', async () => {
  const result = await doctor(
    '--broker',
    broker(sound.quorum, 'wrong/one'),
    '--management',
    management(),
    '--results',
    kept.url,
  )
  expect(beyond(result)).toEqual([
    expect.objectContaining({
      check: 'connection',
      severity: 'hurts',
      finding: expect.stringContaining(`refuses the user ${USER}`),
    }),
  ])
  expect(result.said).not.toMatch(/wrong|admin:admin/)
  for (const { said } of seen.values()) expect(said).not.toMatch(/secret|admin:admin/)
})

describe('Over TLS', () => {
  it('with an authority of one’s own, and not without it', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    execFileSync(join(root, 'deploy/tls/make-test-ca.sh'), [folder])
    const [cert, key] = ['certificate.pem', 'key.pem'].map((file) => readFileSync(join(folder, file)))
    const front = async (port: number): Promise<number> => {
      const server = createTlsServer({ cert, key }, (client) => {
        const plain = connectTcp(port, '127.0.0.1')
        client.pipe(plain).pipe(client)
        client.on('error', () => plain.destroy()).on('close', () => plain.destroy())
        plain.on('error', () => client.destroy()).on('close', () => client.destroy())
      })
      server.on('tlsClientError', () => {})
      return listening(server)
    }
    const [target = ''] = testCluster().management
    const secure = (url: string, port: number) => {
      const { username, password, pathname, protocol } = new URL(url)
      const user = username === '' ? '' : `${username}:${password}@`
      return `${protocol.replace(':', 's:')}//${user}localhost:${port}${pathname}`
    }
    const words = [
      ...['--broker', secure(broker(sound.quorum), await front(testCluster().amqpPort))],
      ...[
        '--management',
        secure(target.replace('http://', 'http://admin:admin@'), await front(Number(new URL(target).port))),
      ],
      ...['--results', secure(kept.url, await front(kept.port))],
    ]
    const command = (env: NodeJS.ProcessEnv) =>
      new Promise<{ code: unknown; said: string }>((resolve) => {
        const args = [join(root, 'dist/cli/main.js'), 'doctor', ...words]
        execFile(process.execPath, args, { env: { PATH: process.env.PATH, ...env } }, (error, stdout, stderr) =>
          resolve({ code: error?.code ?? 0, said: stdout + stderr }),
        )
      })
    const [trusting, distrusting] = await Promise.all([
      command({ NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') }),
      command({}),
    ])
    expect(trusting.said).toMatch(/^Healthy: \d+ checks/m)
    expect(trusting.code).toBe(0)
    expect(distrusting.said).toContain('unable to verify the first certificate')
    expect(distrusting.said).not.toMatch(/secret|admin:admin/)
    expect(distrusting.code).toBe(1)
  })
})

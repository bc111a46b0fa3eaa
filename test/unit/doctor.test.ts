/**
 * The doctor's checks, on snapshots of real clusters of three nodes that `npm start` runs (test/support/fixtures), each broken
 * in one way. What a real cluster shows when it is broken so is in test/promises/doctor.test.ts.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { exitCode, healthLine, reportLines, reportText } from '../../cli/doctorReport.js'
import { checks, examine, type Snapshot } from '../../doctor/index.js'
import type { Facts, Part, QueueFacts } from '../../doctor/snapshot.js'

type Writable<T> = T extends (...args: never[]) => unknown
  ? T
  : T extends object
    ? { -readonly [Key in keyof T]: Writable<T[Key]> }
    : T
type Draft = Writable<{ [Name in Part]: Facts[Name] }> & { at: string; consumerTimeoutMs: number | undefined }

const recorded = (version: string): Snapshot =>
  JSON.parse(readFileSync(new URL(`../support/fixtures/doctor-${version}.json`, import.meta.url), 'utf8'))

/** A recorded snapshot, changed: parts without their `seen`. */
function changed(change: (draft: Draft) => void, version = '3.10.8'): Snapshot {
  const snapshot = structuredClone(recorded(version)) as unknown as Record<string, unknown>
  const draft = new Proxy(snapshot, {
    get(target, key: string) {
      const value = target[key]
      return typeof value === 'object' && value !== null && 'seen' in value ? value.seen : value
    },
  })
  change(draft as unknown as Draft)
  return snapshot as unknown as Snapshot
}

/** What a snapshot has beyond the one that it was made from. */
function findings(snapshot: Snapshot, version = '3.10.8') {
  const before = examine(recorded(version), checks).findings.map(({ finding }) => finding)
  return examine(snapshot, checks).findings.filter(({ finding }) => !before.includes(finding))
}

const ACCOUNTS = 'user.account.create.demo-service'
const INVOICES = 'payment.invoice.create.demo-service'
const NODES = [1, 2, 3].map((node) => `rabbitmq-${node}@localhost`)

function queue(draft: Draft, name: string): Writable<QueueFacts> {
  const found = draft.topology.queues.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no queue ${name}`)
  return found
}
const ofEach = <T>(list: readonly T[], act: (each: T) => void): void => {
  for (const each of list) act(each)
}
const remove = <T>(list: T[], which: (each: T) => boolean): void => {
  list.splice(0, list.length, ...list.filter((each) => !which(each)))
}
const removeExchange = (draft: Draft, name: string): void => {
  remove(draft.topology.exchanges, (each) => each.name === name)
  remove(
    draft.topology.bindings,
    (each) => each.source === name || (each.to === 'exchange' && each.destination === name),
  )
}
const removeQueue = (draft: Draft, name: string): void => {
  remove(draft.topology.queues, (each) => each.name === name)
  remove(draft.topology.bindings, (each) => each.to === 'queue' && each.destination === name)
}
const noPolicy = (draft: Draft, name: string): void => {
  remove(draft.policies as { name: string }[], (each) => each.name === name)
  delete queue(draft, name).policy
  queue(draft, name).effective = {}
}
/** Another policy in force on a queue, whose own is still there. */
const overruled = (draft: Draft, name: string, effective: Record<string, unknown>, priority = 10): void => {
  draft.policies.push({ name: 'all', pattern: '.*', applyTo: 'all', priority, definition: effective })
  Object.assign(queue(draft, name), { policy: 'all', effective })
}

type Case = readonly [
  what: string,
  change: (draft: Draft) => void,
  found: { check: string; severity: string; finding: RegExp; fix?: RegExp; why?: RegExp },
]

const cases: readonly Case[] = [
  [
    'no policy on a quorum task queue',
    (draft) => noPolicy(draft, INVOICES),
    {
      check: 'dead-lettering',
      severity: 'loses',
      finding: /^payment\.invoice\.create\.demo-service has no dead-letter exchange; no policy applies to it\.$/,
      fix: /^warren definitions --module YOUR_TASKS\.js --service demo-service --load http:\/\/127/,
    },
  ],
  [
    'no policy on a classic task queue',
    (draft) => noPolicy(draft, ACCOUNTS),
    { check: 'dead-lettering', severity: 'loses', finding: /user\.account\.create\.demo-service has no dead-letter/ },
  ],
  [
    'a policy without a dead-letter exchange',
    (draft) => delete queue(draft, ACCOUNTS).effective?.['dead-letter-exchange'],
    { check: 'dead-lettering', severity: 'loses', finding: /the policy in force/, why: /drops.*TTL of 60000 ms/ },
  ],
  [
    'at-least-once without reject-publish',
    (draft) => delete queue(draft, INVOICES).effective?.overflow,
    {
      check: 'dead-lettering',
      severity: 'loses',
      finding: /overflow drop-head instead of reject-publish.*silently/,
    },
  ],
  [
    'at most once on a quorum queue',
    (draft) => delete queue(draft, INVOICES).effective?.['dead-letter-strategy'],
    { check: 'dead-lettering', severity: 'loses', finding: /no dead-letter-strategy at-least-once/ },
  ],
  [
    'a missing dead-letter exchange before a queue that keeps what it gives up',
    (draft) => removeExchange(draft, 'payment.dlx'),
    {
      check: 'dead-lettering',
      severity: 'hurts',
      finding: /payment\.dlx of payment.* does not exist/,
      why: /after 32/,
    },
  ],
  [
    'a missing dead-letter exchange before a queue that does not',
    (draft) => removeExchange(draft, 'user.dlx'),
    { check: 'dead-lettering', severity: 'loses', finding: /user\.dlx of user.* does not exist/, why: /drops/ },
  ],
  [
    'a dead-letter queue that is gone',
    (draft) => removeQueue(draft, 'user.dlq'),
    { check: 'dead-lettering', severity: 'loses', finding: /user\.dlx of user.* is not bound to a queue/ },
  ],
  [
    'a dead-letter queue that takes other tasks only',
    (draft) => {
      for (const each of draft.topology.bindings) if (each.source === 'payment.dlx') each.key = 'payment.other.#'
    },
    { check: 'dead-lettering', severity: 'hurts', finding: /payment\.dlx of payment.* is not bound to a queue/ },
  ],
  [
    'a classic dead-letter queue of a classic queue',
    (draft) => Object.assign(queue(draft, 'user.dlq'), { type: 'classic', members: [], online: [] }),
    { check: 'dead-letter-queues', severity: 'loses', finding: /user\.dlq is a classic queue/ },
  ],
  [
    'a classic dead-letter queue of a quorum queue',
    (draft) => Object.assign(queue(draft, 'payment.dlq'), { type: 'classic', members: [], online: [] }),
    { check: 'dead-letter-queues', severity: 'hurts', finding: /payment\.dlq is a classic queue/ },
  ],
  [
    'a dead-letter queue with a time to live',
    (draft) => Object.assign(queue(draft, 'payment.dlq').effective ?? {}, { 'message-ttl': 86_400_000 }),
    { check: 'dead-letter-queues', severity: 'loses', finding: /payment\.dlq drops dead letters after 86400000 ms/ },
  ],
  [
    'a dead-letter queue with a length',
    (draft) => {
      queue(draft, 'payment.dlq').arguments['x-max-length'] = 10
    },
    { check: 'dead-letter-queues', severity: 'loses', finding: /once it is full/ },
  ],
  [
    'a queue that is not durable',
    (draft) => {
      queue(draft, ACCOUNTS).durable = false
    },
    { check: 'durability', severity: 'loses', finding: /not durable/ },
  ],
  [
    'a queue that is deleted with its last consumer',
    (draft) => {
      queue(draft, ACCOUNTS).autoDelete = true
    },
    { check: 'durability', severity: 'loses', finding: /auto-delete/ },
  ],
  [
    'a queue that expires',
    (draft) => Object.assign(queue(draft, INVOICES).effective ?? {}, { expires: 60_000 }),
    { check: 'durability', severity: 'loses', finding: /deleted after 60000 ms without a consumer/ },
  ],
  [
    'no delivery limit on RabbitMQ 3.10',
    (draft) => delete queue(draft, INVOICES).effective?.['delivery-limit'],
    { check: 'delivery-limit', severity: 'hurts', finding: /No delivery limit is in force on payment/ },
  ],
  [
    'a delivery limit of 1',
    (draft) => {
      queue(draft, INVOICES).arguments['x-delivery-limit'] = 1
    },
    { check: 'delivery-limit', severity: 'hurts', finding: /is 1\./ },
  ],
  [
    'a dead-letter queue without a limit on RabbitMQ 3.10',
    (draft) => noPolicy(draft, 'payment.dlq'),
    { check: 'delivery-limit', severity: 'hurts', finding: /payment\.dlq has no policy with a delivery limit/ },
  ],
  [
    'a dead-letter queue without a limit on RabbitMQ 4.3',
    (draft) => {
      draft.topology.version = '4.3.6'
      ofEach(draft.cluster.nodes, (each) => {
        each.version = '4.3.6'
      })
      noPolicy(draft, 'payment.dlq')
    },
    { check: 'delivery-limit', severity: 'loses', finding: /payment\.dlq drops a message after 20 deliveries/ },
  ],
  [
    'a policy that hides a queue’s own and has no dead-letter exchange',
    (draft) => overruled(draft, INVOICES, { 'max-length': 1000 }),
    {
      check: 'hidden-policies',
      severity: 'loses',
      finding: /^The policy all, of priority 10, hides payment\.invoice/,
      why: /no dead-letter exchange, no delivery limit, no time to live/,
      fix: /rabbitmqctl clear_policy -p \/ all/,
    },
  ],
  [
    'a policy that hides a dead-letter queue’s own',
    (draft) => overruled(draft, 'payment.dlq', { 'delivery-limit': 5 }),
    { check: 'hidden-policies', severity: 'loses', finding: /hides payment\.dlq/, why: /a delivery limit of 5/ },
  ],
  [
    'a policy that is there and applies to other queues',
    (draft) => {
      for (const each of draft.policies) if (each.name === INVOICES) each.applyTo = 'classic_queues'
      delete queue(draft, INVOICES).policy
      queue(draft, INVOICES).effective = {}
    },
    { check: 'hidden-policies', severity: 'loses', finding: /exists but does not apply to the queue/ },
  ],
  [
    'two policies of the same priority',
    (draft) => {
      draft.policies.push({ name: 'other', pattern: '^payment\\.invoice', applyTo: 'all', priority: 0, definition: {} })
    },
    { check: 'hidden-policies', severity: 'hurts', finding: /Several policies of priority 0 match payment/ },
  ],
  [
    'a queue with one member of three',
    (draft) => Object.assign(queue(draft, INVOICES), { members: [NODES[0]], online: [NODES[0]] }),
    {
      check: 'members',
      severity: 'hurts',
      finding: /^payment\.invoice\.create\.demo-service has one member in a cluster of 3 nodes/,
      fix: /rabbitmq-queues grow rabbitmq-2@localhost all.*rabbitmq-queues grow rabbitmq-3@localhost all/,
    },
  ],
  [
    'a member on a node that left',
    (draft) => queue(draft, INVOICES).members.push('rabbitmq-9@localhost'),
    { check: 'members', severity: 'hurts', finding: /a member on rabbitmq-9@localhost, which is not in the cluster/ },
  ],
  [
    'a member that does not run although its node does',
    (draft) => Object.assign(queue(draft, INVOICES), { online: NODES.slice(1) }),
    { check: 'members', severity: 'hurts', finding: /on rabbitmq-1@localhost does not run, although the node does/ },
  ],
  [
    'all leaders on one node',
    (draft) =>
      ofEach(draft.topology.queues, (each) => {
        if (each.type === 'quorum') each.node = NODES[1]
      }),
    {
      check: 'leaders',
      severity: 'hurts',
      finding: /rabbitmq-2@localhost leads 28 of 28 quorum queues/,
      fix: /rebalance/,
    },
  ],
  [
    'a node that is down',
    (draft) => Object.assign(draft.cluster.nodes[2] ?? {}, { running: false }),
    { check: 'nodes', severity: 'hurts', finding: /rabbitmq-3@localhost does not run, of 3 nodes/ },
  ],
  [
    'a partition',
    (draft) => Object.assign(draft.cluster.nodes[0] ?? {}, { partitions: [NODES[1]] }),
    { check: 'partitions', severity: 'loses', finding: /rabbitmq-1@localhost was partitioned from rabbitmq-2/ },
  ],
  [
    'a memory alarm',
    (draft) => Object.assign(draft.cluster.nodes[0] ?? {}, { memoryAlarm: true }),
    { check: 'alarms', severity: 'hurts', finding: /rabbitmq-1@localhost is short of memory/ },
  ],
  [
    'a disk alarm',
    (draft) => Object.assign(draft.cluster.nodes[0] ?? {}, { diskAlarm: true }),
    { check: 'alarms', severity: 'hurts', finding: /short of disk space/ },
  ],
  [
    'a virtual host that is down on a node',
    (draft) => {
      draft.virtualHost.states['rabbitmq-2@localhost'] = 'stopped'
    },
    { check: 'virtual-host', severity: 'hurts', finding: /does not run on rabbitmq-2/, fix: /restart_vhost -p \// },
  ],
  [
    'a classic queue that is down while its node runs',
    (draft) => {
      queue(draft, ACCOUNTS).state = 'down'
    },
    { check: 'queues-down', severity: 'hurts', finding: /calls the queue user.* down, although its node/ },
  ],
  [
    'a quorum queue without a leader while its nodes run',
    (draft) => {
      queue(draft, INVOICES).state = 'minority'
    },
    { check: 'queues-down', severity: 'hurts', finding: /payment.* is minority: it has no leader/ },
  ],
  [
    'a task queue that is not bound',
    (draft) => remove(draft.topology.bindings, (each) => each.source === 'payment.commands'),
    { check: 'bindings', severity: 'hurts', finding: /payment.* is not bound to payment\.commands/ },
  ],
  [
    'a task queue that is not bound to what is due',
    (draft) =>
      remove(draft.topology.bindings, (each) => each.source === 'warren.delay.due' && each.destination === INVOICES),
    { check: 'bindings', severity: 'hurts', finding: /payment.* is not bound to warren\.delay\.due/ },
  ],
  [
    'a task queue of the other type',
    (draft) =>
      ofEach(draft.tasks.tasks, (each) => {
        each.queueType = 'quorum'
      }),
    { check: 'queue-types', severity: 'hurts', finding: /is a classic queue, and its task asks for a quorum queue/ },
  ],
  [
    'a task without a queue',
    (draft) => draft.tasks.tasks.push({ name: 'user.account.close', queueType: 'quorum', timeoutMs: undefined }),
    { check: 'queue-types', severity: 'hurts', finding: /user\.account\.close\.demo-service does not exist/ },
  ],
  [
    'a time limit above the consumer timeout',
    (draft) =>
      ofEach(draft.tasks.tasks, (each) => {
        if (each.name.startsWith('payment')) each.timeoutMs = 7_200_000
      }),
    {
      check: 'consumer-timeout',
      severity: 'hurts',
      finding: /120 min.*after 30 min \(its default; its API does not report/,
    },
  ],
  [
    'a time limit above the consumer timeout of the policy',
    (draft) => {
      ofEach(draft.tasks.tasks, (each) => {
        each.timeoutMs = 300_000
      })
      Object.assign(queue(draft, INVOICES).effective ?? {}, { 'consumer-timeout': 60_000 })
    },
    { check: 'consumer-timeout', severity: 'hurts', finding: /5 min, and RabbitMQ takes .* back after 60 s\.$/ },
  ],
  [
    'a delay level that is gone',
    (draft) => {
      removeQueue(draft, 'warren.delay.level.03')
      removeExchange(draft, 'warren.delay.level.03')
    },
    {
      check: 'delay-levels',
      severity: 'hurts',
      finding: /gaps: the exchange warren\.delay\.level\.03 and the queue warren/,
    },
  ],
  [
    'a delay level without its link',
    (draft) =>
      remove(draft.topology.bindings, (each) => each.source === 'warren.delay.level.05' && each.to === 'exchange'),
    {
      check: 'delay-levels',
      severity: 'hurts',
      finding: /the binding of warren\.delay\.level\.05 to the exchange warren\.delay\.level\.04/,
    },
  ],
  [
    'a delay level that may lose on the way',
    (draft) => delete queue(draft, 'warren.delay.level.05').arguments['x-overflow'],
    {
      check: 'delay-levels',
      severity: 'loses',
      finding: /warren\.delay\.level\.05 is declared differently.*x-overflow is not set/,
    },
  ],
  [
    'no alternate exchange behind the levels',
    (draft) =>
      ofEach(draft.topology.exchanges, (each) => {
        if (each.name === 'warren.delay.due') each.arguments = {}
      }),
    { check: 'delay-levels', severity: 'hurts', finding: /has no alternate exchange warren\.delay\.unroutable/ },
  ],
  [
    'a level that does not move',
    (draft) => {
      draft.topology.stuck['warren.delay.level.05'] = 33
    },
    {
      check: 'delays-moving',
      severity: 'hurts',
      finding: /33 messages in warren\.delay\.level\.05 are due and do not move/,
    },
  ],
  [
    'delayed messages that no queue took',
    (draft) => {
      queue(draft, 'warren.delay.unroutable').messages = 4
    },
    { check: 'delays-moving', severity: 'hurts', finding: /4 delayed messages were due and no queue took them/ },
  ],
  [
    'a service that may not dead-letter',
    (draft) =>
      Object.assign(draft.user.permissions ?? {}, {
        write: '^(user|payment)\\.commands$|\\.demo-service$|^warren\\.delay\\.level\\.[0-9]{2}$|^amq\\.default$',
      }),
    {
      check: 'permissions',
      severity: 'hurts',
      finding: /^The user service may not write payment\.dlx and user\.dlx\.$/,
      why: /Workers hold failed messages/,
      fix: /^rabbitmqctl set_permissions -p \/ service '\^\(payment\|user\)/,
    },
  ],
  [
    'a service that may not read its queues',
    (draft) => Object.assign(draft.user.permissions ?? {}, { read: '' }),
    {
      check: 'permissions',
      severity: 'hurts',
      finding: /may not read payment\.commands, user\.commands/,
      why: /do not consume/,
    },
  ],
  [
    'a service that may do everything',
    (draft) => Object.assign(draft.user.permissions ?? {}, { configure: '.*', write: '.*', read: '.*' }),
    { check: 'permissions', severity: 'note', finding: /may configure, write, read every name/ },
  ],
  [
    'a service that is an administrator',
    (draft) => draft.user.tags.push('administrator'),
    { check: 'permissions', severity: 'note', finding: /is an administrator/ },
  ],
  [
    'a user without permissions',
    (draft) => {
      draft.user.permissions = undefined
    },
    { check: 'permissions', severity: 'hurts', finding: /no permissions in the virtual host/ },
  ],
  [
    'nodes of different versions',
    (draft) => Object.assign(draft.cluster.nodes[2] ?? {}, { version: '3.11.1' }),
    { check: 'versions', severity: 'hurts', finding: /different versions of RabbitMQ: 3\.10\.8 and 3\.11\.1/ },
  ],
  [
    'a store that evicts what it likes',
    (draft) => Object.assign(draft.store, { policy: 'allkeys-lru', maxMemory: 1_000_000 }),
    { check: 'store-eviction', severity: 'loses', finding: /maxmemory-policy is allkeys-lru\.$/ },
  ],
  [
    'a store that evicts results',
    (draft) => Object.assign(draft.store, { policy: 'volatile-ttl', maxMemory: 1_000_000 }),
    { check: 'store-eviction', severity: 'hurts', finding: /volatile-ttl\.$/ },
  ],
  [
    'a store that would evict once it is limited',
    (draft) => Object.assign(draft.store, { policy: 'allkeys-lru', maxMemory: 0 }),
    { check: 'store-eviction', severity: 'hurts', finding: /not limited yet/ },
  ],
  [
    'a store that keeps nothing',
    (draft) => Object.assign(draft.store, { appendOnly: false, snapshots: '' }),
    { check: 'store-persistence', severity: 'loses', finding: /writes nothing to disk/ },
  ],
  [
    'a store that makes snapshots',
    (draft) => Object.assign(draft.store, { appendOnly: false, snapshots: '3600 1' }),
    { check: 'store-persistence', severity: 'hurts', finding: /only snapshots \(save 3600 1\)/ },
  ],
  [
    'a store whose snapshots nobody may read of',
    (draft) => Object.assign(draft.store, { appendOnly: false, snapshots: undefined }),
    { check: 'store-persistence', severity: 'hurts', finding: /whether it makes snapshots could not be read/ },
  ],
  [
    'a store that does not sync',
    (draft) => Object.assign(draft.store, { appendFsync: 'no' }),
    { check: 'store-persistence', severity: 'hurts', finding: /appendfsync no/ },
  ],
  [
    'a store that is a replica',
    (draft) => {
      draft.store.refusal = {
        command: 'SET celery-task-meta-*',
        said: "READONLY You can't write against a read only replica.",
      }
    },
    { check: 'store-writes', severity: 'hurts', finding: /refuses SET celery-task-meta-\*: it is a replica/ },
  ],
  [
    'a store that is too old',
    (draft) => Object.assign(draft.store, { version: '5.0.14' }),
    { check: 'store-writes', severity: 'hurts', finding: /has version 5\.0\.14/ },
  ],
  [
    'a store that could not write to its disk',
    (draft) => Object.assign(draft.store, { lastAppendOk: false }),
    { check: 'store-writes', severity: 'hurts', finding: /last write .* to its disk failed/ },
  ],
  [
    'a clock of the store that is behind',
    (draft) => Object.assign(draft.storeClock[0] ?? {}, { leastMs: -3_001, mostMs: -3_000 }),
    { check: 'store-clock', severity: 'hurts', finding: /between 3000 and 3001 ms behind this machine's/ },
  ],
  [
    'a clock of a node that is ahead',
    (draft) => Object.assign(draft.nodeClocks[1] ?? {}, { leastMs: 58_000, mostMs: 60_500 }),
    { check: 'node-clocks', severity: 'hurts', finding: /rabbitmq-2@localhost is between 58000 and 60500 ms ahead/ },
  ],
  [
    'a user that is refused',
    (draft) => Object.assign(draft.broker.addresses[0] ?? {}, { problem: '403 ACCESS_REFUSED', refused: true }),
    { check: 'connection', severity: 'hurts', finding: /refuses the user service: 403/ },
  ],
  [
    'an address that does not answer',
    (draft) => Object.assign(draft.broker.addresses[0] ?? {}, { problem: 'connect ECONNREFUSED' }),
    { check: 'connection', severity: 'hurts', finding: /does not accept AMQP connections: connect ECONNREFUSED/ },
  ],
]

it('A cluster of npm start is healthy: nothing but what is worth knowing', () => {
  const report = examine(recorded('3.10.8'), checks)
  expect(report.findings.map(({ severity, check }) => [severity, check])).toEqual([
    ['note', 'members'],
    ['note', 'versions'],
  ])
  expect(report.unknown).toEqual([])
  expect(report.made.length).toBe(checks.length)
  expect(healthLine(report)).toMatch(/^Healthy: 25 checks found nothing that loses messages or hurts, and 2 things/)
  expect(exitCode(report)).toBe(0)
})

describe('One way of breaking is named, and nothing else', () => {
  it.each(cases)('%s', (_, change, wanted) => {
    const found = findings(changed(change))
    expect(found.map(({ check, severity }) => ({ check, severity }))).toEqual([
      { check: wanted.check, severity: wanted.severity },
    ])
    expect(found[0]?.finding).toMatch(wanted.finding)
    expect(found[0]?.why).toMatch(wanted.why ?? /.{20}/)
    expect(found[0]?.fix).toMatch(wanted.fix ?? /.{10}/)
  })

  it('covers every check', () => {
    expect(new Set(cases.map(([, , { check }]) => check))).toEqual(new Set(checks.map(({ name }) => name)))
  })
})

describe('Nothing is said', () => {
  it.each<[string, (draft: Draft) => void]>([
    [
      'of queues, exchanges and policies of others',
      (draft) => {
        const stranger = { ...queue(draft, ACCOUNTS), name: 'orders.incoming', effective: {}, durable: false }
        draft.topology.queues.push(stranger, { ...stranger, name: 'celery', autoDelete: true })
      },
    ],
    [
      'of an old retry queue',
      (draft) => {
        draft.topology.queues.push({ ...queue(draft, INVOICES), name: `${INVOICES}.retry.1000`, effective: {} })
      },
    ],
    [
      'of a policy of one’s own above a queue’s, with all that it needs',
      (draft) => {
        const { effective = {} } = queue(draft, INVOICES)
        overruled(draft, INVOICES, { ...effective, 'message-ttl': 600_000 })
      },
    ],
    [
      'of three members in a cluster of five',
      (draft) => {
        for (const name of ['rabbitmq-4@localhost', 'rabbitmq-5@localhost']) {
          draft.cluster.nodes.push({
            name,
            running: true,
            version: '3.10.8',
            memoryAlarm: false,
            diskAlarm: false,
            partitions: [],
          })
        }
      },
    ],
    [
      'of clocks that may agree',
      (draft) => Object.assign(draft.nodeClocks[0] ?? {}, { leastMs: -4_000, mostMs: 9_000 }),
    ],
    [
      'of a queue of which RabbitMQ has no figures',
      (draft) => {
        delete queue(draft, INVOICES).effective
        delete queue(draft, INVOICES).policy
        remove(draft.policies as { name: string }[], (each) => each.name === INVOICES)
      },
    ],
    [
      'of what is dark with its node, beside that node',
      (draft) => {
        Object.assign(draft.cluster.nodes[0] ?? {}, { running: false })
        queue(draft, ACCOUNTS).state = 'down'
      },
    ],
  ])('%s', (what, change) => {
    const found = findings(changed(change))
    expect(found.map(({ check }) => check)).toEqual(/beside that node/.test(what) ? ['nodes'] : [])
  })
})

describe('What was not seen is said as unknown', () => {
  const without = (part: Part, optional?: true): Snapshot => ({
    ...recorded('3.10.8'),
    [part]: { unseen: 'it answered 401', fix: 'Give another user', optional },
  })

  it('with the checks that were left out, and is not called healthy', () => {
    const report = examine(without('user'), checks)
    expect(report.unknown).toEqual([
      {
        what: expect.stringContaining('permissions'),
        why: 'it answered 401',
        fix: 'Give another user',
        checks: ['permissions'],
        optional: false,
      },
    ])
    expect(report.made).not.toContain('permissions')
    expect(healthLine(report)).toMatch(/1 check could not run/)
    expect(reportText(report)).toContain("- the service user's permissions: it answered 401. Skipped: permissions.")
    expect(exitCode(report)).toBe(0)
  })

  it('and is healthy all the same where nobody asked for it', () => {
    expect(healthLine(examine(without('tasks', true), checks))).toMatch(/^Healthy/)
  })

  it('is nothing that a check of other parts fails over', () => {
    for (const part of [
      'broker',
      'cluster',
      'virtualHost',
      'topology',
      'policies',
      'user',
      'tasks',
      'store',
      'nodeClocks',
      'storeClock',
    ] as const) {
      const report = examine(without(part), checks)
      expect(
        report.findings.every(({ severity }) => severity === 'note'),
        part,
      ).toBe(true)
      expect(
        report.unknown.map(({ checks: left }) => left.length > 0),
        part,
      ).toEqual([true])
    }
  })

  it('is all there is when nothing answers: the verdict has failed', () => {
    const nothing: Snapshot = { ...without('topology'), ...without('cluster'), topology: without('topology').topology }
    const refused = changed((draft) => Object.assign(draft.broker.addresses[0] ?? {}, { problem: 'refused' }))
    const report = examine({ ...nothing, broker: refused.broker }, checks)
    expect([exitCode(report), healthLine(report)]).toEqual([1, expect.stringContaining('could not be inspected')])
  })
})

describe('Versions', () => {
  const of = (version: string, at = '2026-09-01T00:00:00Z') =>
    findings(
      changed((draft) => {
        draft.at = at
        draft.topology.version = version
        ofEach(draft.cluster.nodes, (each) => {
          each.version = version
        })
      }),
    ).map(({ severity, finding }) => [severity, finding])

  it.each([
    ['3.13.7', undefined, [['note', expect.stringContaining('3.13.7 has no community support any more.')]]],
    ['4.0.5', undefined, [['note', expect.stringContaining('4.0.5 has no community support')]]],
    ['4.1.4', '2026-01-31T12:00:00Z', []],
    ['4.1.4', '2026-02-01T00:00:00Z', [['note', expect.stringContaining('since 2026-01-31')]]],
    ['4.2.1', '2026-07-31T00:00:00Z', []],
    ['4.2.1', undefined, [['note', expect.stringContaining('since 2026-07-31')]]],
    ['4.3.2', undefined, [['hurts', expect.stringContaining('known faults')]]],
    ['4.3.5', undefined, []],
    ['4.4.0-rc.1', undefined, []],
    ['5.0.0', undefined, []],
  ] as const)('%s at %s', (version, at, wanted) => {
    expect(of(version, at)).toEqual(wanted)
  })
})

describe('A report', () => {
  it('as lines has the findings, and a summary last', () => {
    const report = examine(
      changed((draft) => noPolicy(draft, INVOICES)),
      checks,
    )
    const lines = reportLines(report) as Record<string, unknown>[]
    expect(lines[0]).toMatchObject({ event: 'finding', check: 'dead-lettering', severity: 'loses' })
    expect(Object.keys(lines[0] ?? {})).toEqual(['event', 'check', 'severity', 'finding', 'why', 'fix'])
    expect(lines.at(-1)).toMatchObject({ event: 'summary', healthy: false, loses: 1, hurts: 0, note: 2, unknown: 0 })
    expect(exitCode(report)).toBe(1)
  })

  it('shows what strangers named as they may be shown', () => {
    const report = examine(
      changed((draft) => {
        const evil = `user.\u001b[2Jevil.demo-service`
        draft.topology.queues.push({ ...queue(draft, ACCOUNTS), name: evil, effective: {} })
        draft.topology.bindings.push({
          source: 'user.commands',
          destination: evil,
          to: 'queue',
          key: 'user.\u001b[2Jevil',
          arguments: {},
        })
      }),
      checks,
    )
    expect(reportText(report)).toContain('\\x1b[2Jevil')
    expect(reportText(report)).not.toContain('\u001b')
  })
})

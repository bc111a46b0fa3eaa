/** RabbitMQ's answers as facts. Any field may be missing or of another kind: versions differ, and nodes that have just started know little. Pure. */
import type { Arguments, BindingFacts, ExchangeFacts, NodeFacts, PolicyFacts, QueueFacts } from '../snapshot.js'

type Fields = Readonly<Record<string, unknown>>

export const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
export const rows = (value: unknown): Fields[] =>
  Array.isArray(value) ? value.map(fields).filter((each) => Object.keys(each).length > 0) : []
export const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
const count = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
/** RabbitMQ writes an empty table as an empty list. */
const table = (value: unknown): Arguments | undefined =>
  value === undefined || value === null ? undefined : fields(value)

/** Only what is given: `exactOptionalPropertyTypes`, and shorter snapshots. */
function given<T extends object>(all: T): T {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as T
}

export const QUEUE_COLUMNS =
  'name,type,durable,auto_delete,exclusive,arguments,state,node,leader,members,online,policy,effective_policy_definition,messages,messages_ready'

export function queueOf(row: Fields): QueueFacts {
  const given_ = fields(row.arguments)
  return given({
    name: text(row.name) ?? '',
    type: text(row.type) ?? text(given_['x-queue-type']) ?? 'classic',
    durable: row.durable !== false,
    autoDelete: row.auto_delete === true,
    exclusive: row.exclusive === true,
    arguments: given_,
    state: text(row.state),
    node: text(row.leader) ?? text(row.node),
    members: texts(row.members),
    online: texts(row.online),
    policy: text(row.policy),
    effective: table(row.effective_policy_definition),
    messages: count(row.messages),
    ready: count(row.messages_ready),
  })
}

export const exchangeOf = (row: Fields): ExchangeFacts => ({
  name: typeof row.name === 'string' ? row.name : '',
  type: text(row.type) ?? '',
  durable: row.durable !== false,
  arguments: fields(row.arguments),
})

export const bindingOf = (row: Fields): BindingFacts => ({
  source: typeof row.source === 'string' ? row.source : '',
  destination: text(row.destination) ?? '',
  to: row.destination_type === 'exchange' ? 'exchange' : 'queue',
  key: typeof row.routing_key === 'string' ? row.routing_key : '',
  arguments: fields(row.arguments),
})

export const policyOf = (row: Fields): PolicyFacts => ({
  name: text(row.name) ?? '',
  pattern: typeof row.pattern === 'string' ? row.pattern : '',
  applyTo: text(row['apply-to']) ?? 'all',
  priority: count(row.priority) ?? 0,
  definition: fields(row.definition),
})

export function nodeOf(row: Fields): NodeFacts {
  const application = rows(row.applications).find(({ name }) => name === 'rabbit')
  return given({
    name: text(row.name) ?? '',
    running: row.running === true,
    version: text(application?.version),
    memoryAlarm: row.running === true && row.mem_alarm === true,
    diskAlarm: row.running === true && row.disk_free_alarm === true,
    partitions: row.running === true ? texts(row.partitions) : [],
  })
}

/** What several nodes say of the same nodes: the worse of it. */
export function joined(views: readonly (readonly NodeFacts[])[]): NodeFacts[] {
  const all = new Map<string, NodeFacts>()
  for (const node of views.flat()) {
    const before = all.get(node.name)
    const version = node.version ?? before?.version
    all.set(node.name, {
      name: node.name,
      ...(version === undefined ? {} : { version }),
      // A node that one of them sees runs; that another does not see it is a partition.
      running: node.running || before?.running === true,
      memoryAlarm: node.memoryAlarm || before?.memoryAlarm === true,
      diskAlarm: node.diskAlarm || before?.diskAlarm === true,
      partitions: [...new Set([...(before?.partitions ?? []), ...node.partitions])],
    })
  }
  return [...all.values()].sort((a, b) => a.name.localeCompare(b.name))
}

/** By tags, which 3.8 writes as one text. */
export const tagsOf = (value: unknown): string[] =>
  typeof value === 'string'
    ? value
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '')
    : texts(value)

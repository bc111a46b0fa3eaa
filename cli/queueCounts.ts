/**
 * Counts the messages in the task queues of a virtual host, and those that wait elsewhere for them. A count that RabbitMQ does
 * not report is undefined, never 0: it does not report to which queue a delayed message or a dead letter belongs, unless there
 * is none.
 */
import { commandsExchange, DELAY_UNROUTABLE, deadLetterExchange, deadLetterQueue } from 'warren'
import { askEach, listed } from './management.js'

export interface QueueCounts {
  readonly name: string
  /** RabbitMQ's state, such as `running` or `down`. */
  readonly state: string | undefined
  readonly ready: number | undefined
  /** Delivered to a worker and not acknowledged: running, or held to run next. */
  readonly running: number | undefined
  /** The queues that receive its dead letters. */
  readonly deadLetterQueues: readonly string[]
}

export interface Counts {
  readonly queues: readonly QueueCounts[]
  /** How many wait in all delay levels. */
  readonly delayed: number | undefined
  /** How many could not be routed when they were due. */
  readonly unroutable: number | undefined
  /** Dead letters by their queue. */
  readonly dead: ReadonlyMap<string, number | undefined>
}

/** Warren's delay levels, and those of Celery 5.5. */
const LEVEL = /^(warren\.delay\.level\.|celery_delayed_)\d+$/
const COLUMNS = 'name,state,messages,messages_ready,messages_unacknowledged,effective_policy_definition'

/** Asks each address of the management API until one answers; throws if none does. */
export function queueCounts(management: readonly string[], vhost: string): Promise<Counts> {
  return askEach(management, async (address) => {
    const [queues, bindings] = await Promise.all([
      listed(address, `/queues/${encodeURIComponent(vhost)}?enable_queue_totals=true&columns=${COLUMNS}`),
      listed(address, `/bindings/${encodeURIComponent(vhost)}?columns=source,destination,destination_type`),
    ])
    return countsOf(queues, bindings)
  })
}

type Row = Readonly<Record<string, unknown>>

/** Pure: from what the management API lists. */
export function countsOf(queues: readonly Row[], bindings: readonly Row[]): Counts {
  const bound = (exchange: (name: string) => boolean): Set<unknown> =>
    new Set(
      bindings
        .filter(({ source, destination_type: type }) => type !== 'exchange' && exchange(String(source)))
        .map(({ destination }) => destination),
    )
  const named = queues.filter((queue): queue is Row & { name: string } => typeof queue.name === 'string')
  const tasks = bound((name) => name.endsWith(commandsExchange('')))
  const deadLetters = bound((name) => name.endsWith(deadLetterExchange('')))
  const levels = named.filter(({ name }) => LEVEL.test(name))
  const isDead = (name: string): boolean => name.endsWith(deadLetterQueue('')) || deadLetters.has(name)
  return {
    queues: named
      .filter(({ name }) => tasks.has(name) && !isDead(name))
      .map((queue) => ({
        name: queue.name,
        state: typeof queue.state === 'string' ? queue.state : undefined,
        ready: countIn(queue.messages_ready),
        running: countIn(queue.messages_unacknowledged),
        deadLetterQueues: destinationsOf(queue, bindings),
      }))
      .sort((a, b) => a.name.localeCompare(b.name)),
    delayed: sumOf(levels.map(({ messages }) => countIn(messages))),
    unroutable: countIn(named.find(({ name }) => name === DELAY_UNROUTABLE)?.messages),
    dead: new Map(named.filter(({ name }) => isDead(name)).map(({ name, messages }) => [name, countIn(messages)])),
  }
}

/** The queues behind the dead-letter exchange of its policy, or of its domain if the policy is unknown. */
function destinationsOf(queue: Row & { name: string }, bindings: readonly Row[]): readonly string[] {
  const policy = queue.effective_policy_definition
  const set: unknown =
    typeof policy === 'object' && policy !== null ? Reflect.get(policy, 'dead-letter-exchange') : undefined
  const domain = queue.name.split('.', 1)[0] ?? ''
  const exchange = typeof set === 'string' ? set : deadLetterExchange(domain)
  const behind = bindings.filter(({ source, destination_type: type }) => source === exchange && type !== 'exchange')
  const names = new Set(behind.map(({ destination }) => String(destination)))
  return names.size > 0 ? [...names] : [deadLetterQueue(domain)]
}

const countIn = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined

/** Undefined if one of them is. */
const sumOf = (counts: readonly (number | undefined)[]): number | undefined =>
  counts.includes(undefined) ? undefined : counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)

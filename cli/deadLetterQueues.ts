/**
 * Finds the queues of a broker that hold dead letters, through RabbitMQ's management API: those with Warren's names (including
 * delayed messages that no queue took), and all others bound to one of Warren's dead-letter exchanges.
 */
import { DELAY_UNROUTABLE, deadLetterExchange, deadLetterQueue } from 'warren'
import { askEach, listed } from './management.js'

export interface FoundQueue {
  readonly name: string
  /** From the queue's policy or its arguments. */
  readonly deliveryLimit: number | undefined
}

const QUEUES_END = deadLetterQueue('')
const EXCHANGES_END = deadLetterExchange('')

const isOne = (name: string): boolean => name.endsWith(QUEUES_END) || name === DELAY_UNROUTABLE

/** Asks each address until one answers; throws if none does. `only` selects one queue, whatever its name. */
export async function deadLetterQueues(
  management: readonly string[],
  vhost: string,
  only?: string,
): Promise<FoundQueue[]> {
  return askEach(management, async (address) => {
    const [queues, bindings] = await Promise.all([
      listed(address, `/queues/${encodeURIComponent(vhost)}?columns=name,arguments,effective_policy_definition`),
      listed(address, `/bindings/${encodeURIComponent(vhost)}?columns=source,destination`),
    ])
    const bound = new Set(
      bindings
        .filter(({ source }) => typeof source === 'string' && source.endsWith(EXCHANGES_END))
        .map(({ destination }) => destination),
    )
    return queues
      .flatMap(({ name, arguments: given, effective_policy_definition: policy }) =>
        typeof name === 'string' ? [{ name, deliveryLimit: limitOf(policy, given) }] : [],
      )
      .filter(({ name }) => (only === undefined ? isOne(name) || bound.has(name) : name === only))
      .sort((a, b) => a.name.localeCompare(b.name))
  })
}

/** RabbitMQ applies the lower one. */
function limitOf(policy: unknown, given: unknown): number | undefined {
  const limits = [limitIn(policy, 'delivery-limit'), limitIn(given, 'x-delivery-limit')]
  const known = limits.filter((limit) => limit !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function limitIn(definition: unknown, key: string): number | undefined {
  const limit: unknown =
    typeof definition === 'object' && definition !== null ? Reflect.get(definition, key) : undefined
  return Number.isSafeInteger(limit) && (limit as number) >= 2 ? (limit as number) : undefined
}

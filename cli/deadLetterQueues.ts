/**
 * Which queues of a broker hold dead letters: those that Warren's names say, delayed messages that no queue took among
 * them, and all others to which a dead-letter exchange of Warren leads. RabbitMQ's management API knows.
 */
import { DELAY_UNROUTABLE, deadLetterExchange, deadLetterQueue } from 'warren'
import { askEach, listed } from './management.js'

export interface FoundQueue {
  readonly name: string
  /** As the queue's policy sets it, or its arguments. */
  readonly deliveryLimit: number | undefined
}

const QUEUES_END = deadLetterQueue('')
const EXCHANGES_END = deadLetterExchange('')

const isOne = (name: string): boolean => name.endsWith(QUEUES_END) || name === DELAY_UNROUTABLE

/** Asks each address until one answers. Throws when none does. `only` takes one queue, whatever its name is. */
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

/** RabbitMQ goes by the lower one. */
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

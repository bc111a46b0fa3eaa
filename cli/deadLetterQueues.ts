/**
 * Which queues of a broker hold dead letters: those that Warren's names say, delayed messages that no queue took among
 * them, and all others to which a dead-letter exchange of Warren leads. RabbitMQ's management API knows.
 */
import { DELAY_UNROUTABLE, deadLetterExchange, deadLetterQueue } from 'warren'

export interface FoundQueue {
  readonly name: string
  /** As the queue's policy sets it, or its arguments. */
  readonly deliveryLimit: number | undefined
}

/** A node that is frozen accepts a connection and answers nothing. */
const TIMEOUT_MS = 3_000
const QUEUES_END = deadLetterQueue('')
const EXCHANGES_END = deadLetterExchange('')

const isOne = (name: string): boolean => name.endsWith(QUEUES_END) || name === DELAY_UNROUTABLE

/** Asks each address until one answers. Throws when none does. `only` takes one queue, whatever its name is. */
export async function deadLetterQueues(
  management: readonly string[],
  vhost: string,
  only?: string,
): Promise<FoundQueue[]> {
  let problem: unknown = new Error('no address of a management API is known')
  for (const address of management) {
    try {
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
    } catch (error) {
      problem = error
    }
  }
  throw problem
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

async function listed(address: string, path: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const url = new URL(address)
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  url.username = ''
  url.password = ''
  const response = await fetch(`${url.href.replace(/\/$/, '')}/api${path}`, {
    headers: { authorization: `Basic ${Buffer.from(user).toString('base64')}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`${url.host} answered ${response.status}`)
  }
  const list: unknown = await response.json()
  if (!Array.isArray(list)) throw new Error(`${url.host} answered something else than a list`)
  return list.filter((each) => typeof each === 'object' && each !== null)
}

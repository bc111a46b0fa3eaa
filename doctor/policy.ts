/** Which policy a queue has: one at most, the one with the highest priority among those that match it. Pure. */
import { matches } from './pattern.js'
import type { Arguments, PolicyFacts, QueueFacts } from './snapshot.js'

const APPLIES: Readonly<Record<string, (type: string) => boolean>> = {
  all: () => true,
  queues: () => true,
  classic_queues: (type) => type === 'classic',
  quorum_queues: (type) => type === 'quorum',
  streams: (type) => type === 'stream',
}

/** Those that match a queue, the highest priority first; undefined when one of them cannot be read here. */
export function matching(queue: QueueFacts, policies: readonly PolicyFacts[]): readonly PolicyFacts[] | undefined {
  const found: PolicyFacts[] = []
  for (const policy of policies) {
    if (!(APPLIES[policy.applyTo]?.(queue.type) ?? false)) continue
    const fits = matches(policy.pattern, queue.name)
    if (fits === undefined) return undefined
    if (fits) found.push(policy)
  }
  return found.sort((a, b) => b.priority - a.priority)
}

/** The policy that holds a queue's retention: it has the queue's name, as `warren definitions` makes it. */
export const ownPolicy = (queue: QueueFacts, policies: readonly PolicyFacts[] = []): PolicyFacts | undefined =>
  policies.find(({ name }) => name === queue.name)

/** Whether a queue's own policy is there and another one, or none, is in force. */
export const isOverruled = (queue: QueueFacts, policies: readonly PolicyFacts[] | undefined): boolean =>
  ownPolicy(queue, policies) !== undefined && queue.policy !== queue.name

const LOWER_WINS = ['message-ttl', 'expires', 'max-length', 'max-length-bytes', 'delivery-limit', 'consumer-timeout']

/** A policy and an operator policy as one: of a limit the lower one holds, of everything else the operator's. */
export function merged(policy: Arguments, operators: Arguments): Arguments {
  const all: Record<string, unknown> = { ...policy, ...operators }
  for (const key of LOWER_WINS) {
    const [a, b] = [policy[key], operators[key]]
    if (typeof a === 'number' && typeof b === 'number') all[key] = Math.min(a, b)
  }
  return all
}

/**
 * The queue with the policies that are in force now. RabbitMQ's own figures of a queue are up to 5 s old, and take their
 * place only where patterns cannot be read here, or where two policies of the same priority match.
 */
export function withPolicies(
  queue: QueueFacts,
  policies: readonly PolicyFacts[],
  operators: readonly PolicyFacts[],
): QueueFacts {
  const [mine, theirs] = [matching(queue, policies), matching(queue, operators)]
  if (mine === undefined || theirs === undefined || isTie(mine) || isTie(theirs)) return queue
  const { policy: _, effective: __, ...rest } = queue
  const effective = merged(mine[0]?.definition ?? {}, theirs[0]?.definition ?? {})
  return { ...rest, effective, ...(mine[0] === undefined ? {} : { policy: mine[0].name }) }
}

export const isTie = ([first, second]: readonly PolicyFacts[]): boolean =>
  first !== undefined && second !== undefined && first.priority === second.priority

/** The gates that every attempt passes, in order; see `gate.ts`. */
import { UniqueKeys } from '../control/uniqueKeys.js'
import type { ControlWatch } from '../control/watch.js'
import { DeliveryLimitError, MessageError, UnknownTaskError } from '../errors/index.js'
import type { Results } from '../results/store.js'
import type { Clock } from '../time/clock.js'
import type { Envelope } from '../wire/envelope.js'
import { carriedDeliveries, deliveryCount } from '../wire/redelivery.js'
import { CancelGate } from './cancelGate.js'
import { canvasGate } from './canvasMembers.js'
import type { Duplicates } from './duplicates.js'
import type { FlowMembers } from './flowMembers.js'
import type { Gate, Passing } from './gate.js'
import { onceGate } from './onceGate.js'
import { positionalGate } from './positional.js'
import { countedAs, TimedOut } from './timedOut.js'
import { UniqueGates } from './uniqueGates.js'

export interface GateDependencies {
  readonly results: Results | undefined
  readonly duplicates: Duplicates
  readonly clock: Clock
  /** What is cancelled and paused, where there is a store. */
  readonly control?: ControlWatch | undefined
  /** Members of flows, where there is a store. */
  readonly flows?: FlowMembers | undefined
  /** How often a classic queue may hand a message out again before it is dead-lettered. */
  readonly deliveryLimit: number
}

export function gatesOf({
  results,
  duplicates,
  clock,
  control,
  deliveryLimit,
  flows,
}: GateDependencies): readonly Gate[] {
  const own = [
    knownTask,
    canvasGate(results),
    positionalGate,
    notDone(duplicates),
    notExpired(clock),
    withinDeliveryLimit(results, deliveryLimit),
    new TimedOut(results),
  ]
  if (results === undefined) return own
  const unique = new UniqueGates(new UniqueKeys(results, control?.vhost ?? '/'), results, clock)
  const cancel = control === undefined ? [] : [new CancelGate(control)]
  const fetching = flows === undefined ? [] : [flows.gate]
  return [unique.first, ...own, ...cancel, onceGate(results, duplicates, clock), ...fetching, unique.last]
}

/** With the limit's gate: before a unique key's last, which begins the task. */
export const withLimit = (gates: readonly Gate[], limit: Gate): readonly Gate[] => [
  ...gates.slice(0, -1),
  limit,
  ...gates.slice(-1),
]

/** The handler follows the queue: whoever may write to one queue must not choose among a worker's handlers. */
const knownTask: Gate = {
  enter({ registeredTask, queue }, envelope) {
    if (envelope.task === registeredTask.name) return undefined
    const error = new UnknownTaskError(envelope.task, registeredTask.name, queue)
    return { kind: 'deadLettered', reason: 'unknown-task', error }
  },
}

const notDone = (duplicates: Duplicates): Gate => ({
  enter({ delivery }) {
    const asking = duplicates.isDone(delivery)
    return asking === false ? undefined : asking.then((done) => (done ? { kind: 'alreadyDone' } : undefined))
  },
})

const notExpired = (clock: Clock): Gate => ({
  enter(_attempt, { expires }) {
    if (expires === undefined || expires.getTime() > clock.now()) return undefined
    const error = new MessageError(`Its sender wanted it run before ${expires.toISOString()}`)
    return { kind: 'deadLettered', reason: 'expired', error }
  },
})

/**
 * Of how often the message was handed out again, Warren counts what RabbitMQ does not: a quorum queue counts by itself and
 * dead-letters by its policy. Counted before the handler runs, since afterwards there may be no worker left to count.
 */
const withinDeliveryLimit = (results: Results | undefined, deliveryLimit: number): Gate => ({
  enter({ delivery }, envelope) {
    const { redelivered, queue } = delivery
    if (!redelivered) return undefined
    const carried = carriedDeliveries(delivery.message)
    if (carried > 0) {
      const redeliveries = carried + (deliveryCount(delivery.message) ?? 0)
      if (redeliveries > deliveryLimit) return over(envelope, redeliveries)
    }
    if (queue.type === 'quorum' || results?.available !== true) return undefined
    const judge = (redeliveries: number): Passing => {
      return redeliveries <= deliveryLimit ? undefined : over(envelope, redeliveries)
    }
    return results.countRedelivery(queue.name, countedAs(delivery, envelope)).then(judge, () => undefined)
  },
})

const over = ({ id }: Envelope, redeliveries: number): Passing => ({
  ...{ kind: 'deadLettered', reason: 'delivery-limit', error: new DeliveryLimitError(id, redeliveries) },
})

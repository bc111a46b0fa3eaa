/**
 * Finds the message that made the broker close a channel with an error (403, 404, 406). It is one of the messages in flight,
 * but the broker does not say which. All of them become suspects. Suspects are published one at a time, before all others; any
 * answer clears one, and the one that is alone in flight when the channel closes again is the culprit.
 *
 * A message past its deadline counts as in flight until it is answered, because it may be the culprit.
 */
import { AccessRefusedError, MessageError, UnroutableError } from '../errors/index.js'
import type { Outgoing } from './outgoing.js'

/** Channel errors that a message can cause: no permission, no exchange, precondition failed, not allowed. */
const REFUSALS: ReadonlySet<number> = new Set([403, 404, 406, 530])

export class Suspects {
  #count = 0

  /** Whether messages are sent one at a time now. */
  get any(): boolean {
    return this.#count > 0
  }

  /** `inFlight` was lost with a channel that was closed with `code`. Returns the culprit, if it is known. */
  culprit(inFlight: readonly Outgoing[], code: number | undefined): Outgoing | undefined {
    if (code === undefined || !REFUSALS.has(code)) return undefined
    const [only] = inFlight
    if (inFlight.length === 1) return only
    for (const outgoing of inFlight) {
      if (outgoing.settled || outgoing.suspect) continue
      outgoing.suspect = true
      this.#count++
    }
    return undefined
  }

  /** The broker answered the message, or it is settled. */
  clear(outgoing: Outgoing): void {
    if (!outgoing.suspect) return
    outgoing.suspect = false
    this.#count--
  }
}

/** The error for the message that made the broker close the channel. */
export function refusal(code: number, reason: string, { id, exchange, routingKey }: Outgoing): Error {
  if (code === 404) return new UnroutableError(exchange, routingKey, reason)
  if (code === 403)
    return new AccessRefusedError(exchange === '' ? 'the default exchange' : `exchange ${exchange}`, new Error(reason))
  return new MessageError(`The broker refused message ${id}: ${reason}`)
}

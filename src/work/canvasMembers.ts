/** Tasks whose messages carry Celery's canvas, as a worker meets them: refused before they run, or carried on when they end. */
import { describeThrown } from '../errors/error.js'
import { MessageError } from '../errors/index.js'
import type { CanvasSettling } from '../flow/canvasSettling.js'
import type { CanvasEnd } from '../flow/chordStore.js'
import type { Results } from '../results/store.js'
import type { Outcome } from '../task/outcome.js'
import { hasChord } from '../wire/canvas.js'
import { decodeResult } from '../wire/resultFormat.js'
import type { Delivery } from './delivery.js'
import type { Gate } from './gate.js'

/** Refuses a canvas that cannot be carried out, before anything is run. */
export const canvasGate = (results: Results | undefined): Gate => ({
  enter(_attempt, { canvas }) {
    if (canvas === undefined) return undefined
    const problem =
      canvas.refused ??
      (results === undefined && hasChord(canvas)
        ? 'the members of a chord meet in the result store, and this worker has none'
        : undefined)
    if (problem === undefined) return undefined
    const error = new MessageError(`Its Celery canvas cannot be carried out: ${problem}`)
    return { kind: 'deadLettered', reason: 'canvas', error }
  },
})

export class CanvasMembers {
  readonly #settling: CanvasSettling
  readonly #results: Results | undefined

  constructor(settling: CanvasSettling, results: Results | undefined) {
    this.#settling = settling
    this.#results = results
  }

  /** To be awaited before the delivery is acknowledged, and repeated until it does not throw. */
  async settle({ envelope }: Delivery, outcome: Outcome, cancelled: boolean): Promise<void> {
    if (envelope?.canvas === undefined) return
    const end = cancelled ? revoked('it was cancelled while it ended') : await this.#endOf(envelope.id, outcome)
    if (end !== undefined) await this.#settling.settle(envelope, end)
  }

  /** Undefined for a task that comes again. */
  async #endOf(id: string, outcome: Outcome): Promise<CanvasEnd | undefined> {
    switch (outcome.kind) {
      case 'succeeded':
        return { status: 'SUCCESS', value: decodeResult(outcome.result).result ?? null }
      case 'alreadyDone':
        return this.#stored(id)
      case 'deadLettered':
        return outcome.reason === 'expired'
          ? revoked('expired')
          : { status: 'FAILURE', error: describeThrown(outcome.error) }
      case 'cancelled':
        return revoked('cancelled')
      case 'replaced':
        return revoked(`replaced by ${outcome.by}`)
      case 'limited':
        return revoked(outcome.reason)
      default:
        return undefined
    }
  }

  async #stored(id: string): Promise<CanvasEnd> {
    const stored = await this.#results?.get(id)
    if (stored?.status === 'SUCCESS') return { status: 'SUCCESS', value: stored.result ?? null }
    const error = new MessageError('It was done before, and its result is gone')
    return { status: 'FAILURE', error: describeThrown(error) }
  }
}

const revoked = (message: string): CanvasEnd => ({
  status: 'REVOKED',
  error: { errorClass: 'TaskRevokedError', message, traceback: undefined },
})

/** Members of flows, as a worker meets them: what the end of an attempt means for its flow, and the results that it takes. */

import { FlowFailedError, MessageError, textOf } from '../errors/index.js'
import type { FlowWorks } from '../flow/flows.js'
import { failedEnd, type MemberEnd, succeededEnd } from '../flow/memberEnd.js'
import type { Results } from '../results/store.js'
import type { Outcome } from '../task/outcome.js'
import { flowMarkOf } from '../wire/flowMark.js'
import { headers } from '../wire/names.js'
import { decodeResult, type StoredResult } from '../wire/resultFormat.js'
import type { Delivery } from './delivery.js'
import type { Gate } from './gate.js'

/** Whether a delivery is a flow's: all that other tasks pay for flows. */
export const isFlowMember = ({ message }: Delivery): boolean => message.properties.headers?.[headers.flow] !== undefined

export class FlowMembers {
  readonly #works: FlowWorks
  readonly #results: Results

  constructor(works: FlowWorks, results: Results) {
    this.#works = works
    this.#results = results
  }

  /** To be awaited before the delivery is acknowledged, and repeated until it does not throw. */
  async settle(delivery: Delivery, outcome: Outcome, cancelled: boolean): Promise<void> {
    const mark = flowMarkOf(delivery.message.properties.headers)
    if (mark === undefined) return
    const end = cancelled
      ? failedEnd(mark.node, 'cancelled', 'it was cancelled while it ended')
      : await this.#endOf(mark.node, delivery, outcome)
    if (end !== undefined) await this.#works.settling.settle(mark, end)
  }

  /** A member whose results were too large for its message fetches them. */
  readonly gate: Gate = {
    enter: ({ delivery }, envelope) => {
      if (!isFlowMember(delivery)) return undefined
      const mark = flowMarkOf(delivery.message.properties.headers)
      if (mark?.fetch !== true) return undefined
      return this.#works.settling.fetchInput(mark).then(
        (input) => {
          Object.assign(envelope, { input })
          return undefined
        },
        (error: unknown) => {
          if (error instanceof FlowFailedError)
            return { kind: 'deadLettered' as const, reason: 'failed' as const, error }
          throw error
        },
      )
    },
  }

  /** Undefined for a member that comes again. */
  async #endOf(node: number, { id = '?' }: Delivery, outcome: Outcome): Promise<MemberEnd | undefined> {
    switch (outcome.kind) {
      case 'succeeded':
        return succeededEnd(JSON.stringify(decodeResult(outcome.result).result ?? null))
      case 'alreadyDone':
        return this.#stored(node, id)
      case 'deadLettered':
        return failedEnd(node, outcome.reason, textOf(outcome.error))
      case 'cancelled':
        return failedEnd(node, 'cancelled', outcome.error.message)
      case 'replaced':
        return failedEnd(node, 'replaced', `task ${outcome.by} took its unique key`)
      case 'limited':
        return failedEnd(node, 'limited', outcome.reason)
      default:
        return undefined
    }
  }

  async #stored(node: number, id: string): Promise<MemberEnd> {
    let stored: StoredResult | undefined
    try {
      stored = await this.#results.get(id)
    } catch (error) {
      if (error instanceof MessageError) return failedEnd(node, 'failed', error.message)
      throw error
    }
    // It was done a moment ago, and its result is looked up when it is needed.
    if (stored?.status !== 'SUCCESS') return { kind: 'elsewhere' }
    return succeededEnd(JSON.stringify(stored.result ?? null))
  }
}

/** Errors of flows. */
import { WarrenError } from './error.js'
import { identify } from './identity.js'

/**
 * Why a flow, or a member of one, did not succeed:
 *
 * - of a member: `failed`, `rejected`, `expired`, `cancelled`, `replaced`, `limited`, `delivery-limit`, or another reason of its dead letter; `queue-deleted`; `unsendable`: the broker refuses the message, or it is too large; `results-expired`: results that it needs are gone;
 * - of a flow: that of the member that ended it; or `cancelled`, `deadline`, `store-emptied`.
 */
export type FlowFailure = string

export interface FlowMemberName {
  /** The id of the member's task. */
  readonly id: string
  readonly task: string
}

/** The flow ended without its result. `reason` is the cause, and `member` the member that ended it, if any. */
export class FlowFailedError extends WarrenError {
  static {
    identify(FlowFailedError, 'FlowFailedError')
  }

  readonly flow: string
  readonly reason: FlowFailure
  readonly member: FlowMemberName | undefined
  constructor(flow: string, reason: FlowFailure, text: string, member?: FlowMemberName) {
    super('FLOW_FAILED', `Flow ${flow} ended without a result (${reason}): ${text}`)
    this.flow = flow
    this.reason = reason
    this.member = member
  }
}

/** The flow has more steps or larger inputs than allowed. Nothing was sent. */
export class FlowTooLargeError extends WarrenError {
  static {
    identify(FlowTooLargeError, 'FlowTooLargeError')
  }

  constructor(what: string, got: number, most: number) {
    super(
      'FLOW_TOO_LARGE',
      `The flow has ${got} ${what}, and may have at most ${most}. Put more work into each step, or send references instead of data.`,
    )
  }
}

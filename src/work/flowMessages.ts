/** What a message in the queue of flows asks for: a token's visit, a member that a Python worker ran, or one that died. */
import { celeryEndOf } from '../flow/celeryLink.js'
import { decodeFlowToken } from '../flow/flowMail.js'
import type { FlowWorks } from '../flow/flows.js'
import { deadMemberOf } from './deadMembers.js'
import type { Delivery } from './delivery.js'

export interface FlowMessage {
  readonly flow: string
  /** To be repeated until it does not throw; then the message is acknowledged. */
  readonly act: () => Promise<void>
}

/** Throws a `MessageError` for what is none. */
export function readFlowMessage({ watch, settling }: FlowWorks, { message, envelope }: Delivery): FlowMessage {
  const dead = deadMemberOf(message)
  if (dead !== undefined) return { flow: dead.mark.flow, act: () => settling.settle(dead.mark, dead.end) }
  const ended = celeryEndOf(envelope)
  if (ended !== undefined) return { flow: ended.flow, act: () => watch.ended(ended) }
  const token = decodeFlowToken(message.content)
  return { flow: token.flow, act: () => watch.visit(token) }
}

/** The header `x-warren-flow`, as JSON: the flow and the member that a message belongs to. Pure. */
import { isCount, jsonTableIn } from './headerValues.js'
import { headers } from './names.js'

export interface FlowMark {
  readonly flow: string
  /** The member's number in the flow's plan. */
  readonly node: number
  /** The gathering that waits for the member; undefined for a step whose follower waits for it alone. */
  readonly gather: number | undefined
  /** Whether the results that it needs are too large for a message: its worker fetches them. */
  readonly fetch: boolean
}

/** A valid flow id: it is part of tags, task ids and the slot of its keys. */
export const FLOW_ID = /^[A-Za-z0-9_.:-]{1,190}$/

export const encodeFlowMark = ({ flow, node, gather, fetch }: FlowMark): string =>
  JSON.stringify({ flow, node, gather, ...(fetch ? { fetch } : {}) })

/** Undefined if there is none. An unreadable one counts as none, so that it does not prevent the message from running. */
export function flowMarkOf(given: Readonly<Record<string, unknown>> | undefined): FlowMark | undefined {
  const mark = jsonTableIn(given, headers.flow)
  if (mark === undefined) return undefined
  const { flow, node, gather, fetch } = mark
  if (typeof flow !== 'string' || !FLOW_ID.test(flow) || !isCount(node)) return undefined
  if (gather !== undefined && !isCount(gather)) return undefined
  return { flow, node, gather, fetch: fetch === true }
}

/** Which member of which flow a message is: the header `x-warren-flow`, a JSON text. Pure. */
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

/** What a flow may be called: it is part of tags, task ids and the slot of its keys. */
export const FLOW_ID = /^[A-Za-z0-9_.:-]{1,190}$/

export const encodeFlowMark = ({ flow, node, gather, fetch }: FlowMark): string =>
  JSON.stringify({ flow, node, gather, ...(fetch ? { fetch } : {}) })

/** Undefined where there is none. What cannot be read counts as none: it keeps no message from being run. */
export function flowMarkOf(given: Readonly<Record<string, unknown>> | undefined): FlowMark | undefined {
  const mark = jsonTableIn(given, headers.flow)
  if (mark === undefined) return undefined
  const { flow, node, gather, fetch } = mark
  if (typeof flow !== 'string' || !FLOW_ID.test(flow) || !isCount(node)) return undefined
  if (gather !== undefined && !isCount(gather)) return undefined
  return { flow, node, gather, fetch: fetch === true }
}

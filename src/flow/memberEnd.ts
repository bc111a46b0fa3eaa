/**
 * How a node of a flow ended, as its store keeps it: `S` and the result as JSON; `R` for a result that is looked up where
 * results are; `G` for a gathering, whose members have theirs; `F` and why it failed. Pure.
 */
import type { FlowFailure } from '../errors/index.js'

/** What a success takes at most, as JSON, to be kept with the flow. */
export const MAX_KEPT_RESULT = 1_000
const MAX_TEXT = 1_000

export interface MemberFailure {
  readonly reason: FlowFailure
  readonly text: string
  /** The member that failed: another one where this node is not run because of it. */
  readonly node: number
}

export type MemberEnd =
  | { readonly kind: 'kept'; readonly json: string }
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'gathered' }
  | { readonly kind: 'failed'; readonly failure: MemberFailure }

export const failedEnd = (node: number, reason: FlowFailure, text: string): MemberEnd => ({
  kind: 'failed',
  failure: { reason, text: text.slice(0, MAX_TEXT), node },
})

export const succeededEnd = (json: string): MemberEnd =>
  json.length <= MAX_KEPT_RESULT ? { kind: 'kept', json } : { kind: 'elsewhere' }

export function encodeEnd(end: MemberEnd): string {
  switch (end.kind) {
    case 'kept':
      return `S${end.json}`
    case 'elsewhere':
      return 'R'
    case 'gathered':
      return 'G'
    case 'failed':
      return `F${JSON.stringify(end.failure)}`
  }
}

export function decodeEnd(text: string): MemberEnd {
  const rest = text.slice(1)
  switch (text[0]) {
    case 'S':
      return { kind: 'kept', json: rest }
    case 'F':
      return { kind: 'failed', failure: JSON.parse(rest) as MemberFailure }
    case 'G':
      return { kind: 'gathered' }
    default:
      return { kind: 'elsewhere' }
  }
}

/**
 * What happens in a flow, in order: each script that changes something appends it to the flow's stream, in the same step. A
 * reader begins at the beginning and reads on; it asks the store, since what happens may happen in any process.
 */
import { FlowFailedError, type FlowFailure, type FlowMemberName } from '../errors/index.js'
import { pause } from '../timers.js'
import { flowEventsKey } from '../wire/names.js'
import { type FlowEnd, type FlowRecord, type FlowState, type FlowStore, memberName } from './flowStore.js'
import { decodeEnd } from './memberEnd.js'

interface Happened {
  readonly flow: string
  readonly at: Date
}

export type FlowEvent =
  | (Happened & { readonly kind: 'started' })
  /** A step: its task was sent; it succeeded; it failed; it is not run since another failed. */
  | (Happened & {
      readonly kind: 'sent' | 'succeeded' | 'failed' | 'skipped'
      readonly member: FlowMemberName
      readonly reason?: FlowFailure
      readonly text?: string
    })
  /** Nothing follows. */
  | (Happened & {
      readonly kind: 'ended'
      readonly state: FlowState
      readonly reason?: FlowFailure
      readonly text?: string
      readonly member?: FlowMemberName
    })

/** How long it is waited before the store is asked again when there is nothing new. */
const LOOK_MS = 250
const READ_AT_ONCE = 500

/** Throws `FlowFailedError` when the store knows no such flow, the signal's reason, and what the store throws. */
export async function* flowEvents(store: FlowStore, flow: string, signal?: AbortSignal): AsyncGenerator<FlowEvent> {
  const record = await known(store, flow)
  yield { kind: 'started', flow, at: new Date(record.startedAt) }
  for (let last = '0'; ; ) {
    signal?.throwIfAborted()
    const entries = await store.results.ask((commands) =>
      commands.xrange(flowEventsKey(flow), `(${last}`, '+', 'COUNT', READ_AT_ONCE),
    )
    const numbers = entries.map(([, fields]) => Number(fields[1]))
    const different = [...new Set(numbers.filter((number) => number >= 0))]
    const nodes = await store.nodes(flow, different)
    const named = new Map(different.map((number, at) => [number, nodes[at]] as const))
    for (const [at, [id, fields]] of entries.entries()) {
      last = id
      const event = eventOf(flow, numbers[at] ?? -1, fields, named)
      if (event !== undefined) yield event
      if (event?.kind === 'ended') return
    }
    if (entries.length > 0) continue
    // Ended by a version that kept no events, or the store lost some.
    const { state, end } = await known(store, flow)
    if (state !== 'running') {
      yield ended(flow, state, end)
      return
    }
    await pause(LOOK_MS, signal)
  }
}

async function known(store: FlowStore, flow: string): Promise<FlowRecord> {
  const record = await store.look(flow)
  if (record === undefined) throw new FlowFailedError(flow, 'store-emptied', 'the store knows no such flow')
  return record
}

/** An entry is: the node, or -1 for the flow itself; when; and `sent`, how the node ended, or the flow's state and end. */
function eventOf(
  flow: string,
  number: number,
  [, , , when, , what = '', , more = '']: readonly string[],
  nodes: ReadonlyMap<number, Parameters<typeof memberName>[2] | undefined>,
): FlowEvent | undefined {
  const at = new Date(Number(when))
  if (number < 0) return ended(flow, what as FlowState, JSON.parse(more) as FlowEnd)
  const node = nodes.get(number)
  // A gathering.
  if (node?.task === undefined) return undefined
  const member = memberName(flow, number, node)
  if (what === 'sent') return { kind: 'sent', flow, at, member }
  const end = decodeEnd(what)
  if (end.kind !== 'failed') return { kind: 'succeeded', flow, at, member }
  const { reason, text, node: by } = end.failure
  return { kind: by === number ? 'failed' : 'skipped', flow, at, member, reason, text }
}

function ended(flow: string, state: FlowState, end: FlowEnd | undefined): FlowEvent {
  const { at = 0, ...why } = end ?? {}
  return { kind: 'ended', flow, at: new Date(at), state, ...why }
}

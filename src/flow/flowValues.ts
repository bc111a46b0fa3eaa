/** The results that a flow's nodes leave, for the steps that take them and for the caller. */
import { MessageError, textOf } from '../errors/index.js'
import { flowMemberId } from '../wire/names.js'
import type { StoredResult } from '../wire/resultFormat.js'
import type { FlowStore } from './flowStore.js'
import type { MemberEnd } from './memberEnd.js'
import type { StepInput } from './parts.js'
import type { PlanNode } from './plan.js'

/** A result that a step needs is not there any more, or cannot be read. */
export class ResultGone extends Error {}

/** What a node left; null for one that failed in a flow that continues. Throws `ResultGone`, and what the store throws. */
export async function leftBy(
  store: FlowStore,
  flow: string,
  number: number,
  node: PlanNode,
  end: MemberEnd | undefined,
): Promise<unknown> {
  switch (end?.kind) {
    case 'kept':
      return JSON.parse(end.json) as unknown
    case 'failed':
      return null
    case 'elsewhere':
      return storedValue(store, flowMemberId(flow, number))
    case 'gathered':
      if (node.of === undefined) return linked(store, flow, node)
      return node.names === undefined
        ? listOf(store, flow, number, node.of)
        : named(node.names, await listOf(store, flow, number, node.of))
    default:
      throw new ResultGone(`the end of ${flowMemberId(flow, number)} is not known`)
  }
}

const named = (names: readonly string[], list: readonly unknown[]): unknown =>
  Object.fromEntries(names.map((name, place) => [name, list[place]]))

/** What the node left that a link stands for. */
async function linked(store: FlowStore, flow: string, { after = -1 }: PlanNode): Promise<unknown> {
  const [node = {}] = await store.nodes(flow, [after])
  return leftBy(store, flow, after, node, await store.endOf(flow, after, node))
}

async function listOf(store: FlowStore, flow: string, gather: number, of: readonly number[]): Promise<unknown[]> {
  const ends = of.length === 0 ? new Map<number, MemberEnd>() : await store.gathered(flow, gather)
  // The plan of a member is needed only where it is a gathering itself.
  const nested = of.filter((each) => ends.get(each)?.kind === 'gathered')
  const nodes = new Map<number, PlanNode>()
  for (const [index, node] of (await store.nodes(flow, nested)).entries()) nodes.set(nested[index] ?? -1, node ?? {})
  return Promise.all(of.map((each) => leftBy(store, flow, each, nodes.get(each) ?? {}, ends.get(each))))
}

async function storedValue(store: FlowStore, id: string): Promise<unknown> {
  let stored: StoredResult | undefined
  try {
    stored = await store.results.get(id, { timeoutMs: 10_000 })
  } catch (error) {
    if (error instanceof MessageError) throw new ResultGone(`the result of ${id} cannot be read: ${textOf(error)}`)
    throw error
  }
  if (stored?.status === 'SUCCESS') return stored.result
  throw new ResultGone(`the result of ${id} is gone: results are kept for ${store.results.ttlMs} ms`)
}

/** A step's input. */
export function inputOf(from: StepInput | undefined, own: string | null, before: unknown): unknown {
  if (from === 'whole') return before
  const given = own === null ? {} : (JSON.parse(own) as unknown)
  if (typeof from !== 'object') return given
  if ('into' in from) return { ...(given as object), [from.into]: before }
  const taken = from.takes.map(([key, place]) => [key, place < 0 ? before : (before as readonly unknown[])[place]])
  return { ...(given as object), ...Object.fromEntries(taken) }
}

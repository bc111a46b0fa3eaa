/**
 * A flow as its store keeps it: numbered nodes, each of which is a step or a gathering of results. A node leads on to
 * the nodes that wait for it alone (`next`), or belongs to one gathering (`up`), or is the flow's last. Pure.
 */
import { FlowTooLargeError } from '../errors/index.js'
import type { AnyPart, StepInput } from './parts.js'

/** The most nodes of a flow, and the most that all its inputs take as JSON. */
export const MAX_FLOW_NODES = 20_000
export const MAX_FLOW_INPUT_BYTES = 32 * 1024 * 1024
/** Deeper nesting than anybody means. */
const MAX_DEPTH = 100

export interface PlanNode {
  /** The task's name; undefined for a gathering. */
  readonly task?: string
  readonly from?: StepInput
  /** In milliseconds since 1970. */
  readonly expires?: number
  /** The node whose result it takes, or only waits for. */
  after?: number
  /** Of a gathering: whose results it lists, in order. */
  readonly of?: readonly number[]
  /** The gathering that lists its result, at which place, and of how many. */
  up?: readonly [gather: number, place: number, size: number]
  /** What begins when it has succeeded. */
  next?: number[]
  /** The last node of the chain that it is in: when it fails, all up to that one are not run. */
  end?: number
}

export interface FlowPlan {
  readonly nodes: readonly PlanNode[]
  /** The steps' own inputs as JSON, by node. */
  readonly inputs: ReadonlyMap<number, string>
  /** What begins at once. */
  readonly roots: readonly number[]
  readonly last: number
}

type Step = Extract<AnyPart, { readonly kind: 'step' }>

/** Throws `FlowTooLargeError`. `inputOf` gives a step's own input as JSON, undefined for none. */
export function planOf(part: AnyPart, inputOf: (step: Step) => string | undefined): FlowPlan {
  const nodes: PlanNode[] = []
  const inputs = new Map<number, string>()
  const roots: number[] = []
  let bytes = 0

  const add = (node: PlanNode, before: number | undefined): number => {
    if (nodes.length >= MAX_FLOW_NODES) throw new FlowTooLargeError('steps or more', nodes.length + 1, MAX_FLOW_NODES)
    const number = nodes.push(node) - 1
    const waits = node.task !== undefined || node.of?.length === 0
    if (before !== undefined) node.after = before
    if (!waits) return number
    const { [before ?? -1]: leads } = nodes
    if (leads === undefined) roots.push(number)
    else if (leads.next === undefined) leads.next = [number]
    else leads.next.push(number)
    return number
  }

  /** Returns the part's last node. `level` collects the nodes of the chain that it is in. */
  const compile = (each: AnyPart, before: number | undefined, level: number[], depth: number): number => {
    if (depth > MAX_DEPTH) throw new FlowTooLargeError('levels of nesting', depth, MAX_DEPTH)
    if (each.kind === 'step') {
      const { task, from, expires } = each
      const node = add({ task: task.name, from, ...(expires && { expires: expires.getTime() }) }, before)
      const input = inputOf(each)
      if (input !== undefined) inputs.set(node, input)
      bytes += input === undefined ? 0 : Buffer.byteLength(input)
      if (bytes > MAX_FLOW_INPUT_BYTES) throw new FlowTooLargeError('bytes of inputs', bytes, MAX_FLOW_INPUT_BYTES)
      level.push(node)
      return node
    }
    if (each.kind === 'chain') {
      return each.parts.reduce<number | undefined>(
        (last, one) => compile(one, last, level, depth + 1),
        before,
      ) as number
    }
    const ends = each.parts.map((member) => {
      const inside: number[] = []
      const end = compile(member, before, inside, depth + 1)
      for (const node of inside) (nodes[node] as PlanNode).end = end
      return end
    })
    const gather = add({ of: ends }, before)
    ends.forEach((end, place) => {
      ;(nodes[end] as PlanNode).up = [gather, place, ends.length]
    })
    level.push(gather)
    return gather
  }

  const level: number[] = []
  const last = compile(part, undefined, level, 0)
  for (const node of level) (nodes[node] as PlanNode).end = last
  return { nodes, inputs, roots, last }
}

/**
 * A flow as its store keeps it: numbered nodes, each of which is a step or a gathering of results. A node leads on to
 * the nodes that wait for it alone (`next`), or belongs to one gathering (`up`), or is the flow's last. Pure.
 */
import { FlowTooLargeError } from '../errors/index.js'
import type { AnyPart, GraphStep, StepInput } from './parts.js'

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
  /** The lane of its task: a priority. */
  readonly lane?: string
  /** The node whose result it takes, or only waits for. */
  after?: number
  /** Of a gathering: whose results it lists, in order. */
  readonly of?: readonly number[]
  /** Of a gathering of a graph: the names of the results. */
  readonly names?: readonly string[]
  /** Of a gathering of a graph, for a step that needs all of them: when one has failed, so has it. */
  readonly all?: true
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
    // A gathering of some begins with its members. One that gathers nothing, and a link, end as they begin.
    const waits = node.task !== undefined || (node.of?.length ?? 0) === 0
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
      const { task, from, expires, lane } = each
      const sent = { ...(expires && { expires: expires.getTime() }), ...(lane !== '' && { lane }) }
      const node = add({ task: task.name, from, ...sent }, before)
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
    if (each.kind === 'graph') return compileGraph(each.steps, before, level)
    const ends = each.parts.map((member) => {
      const inside: number[] = []
      const end = compile(member, before, inside, depth + 1)
      for (const node of inside) (nodes[node] as PlanNode).end = end
      return end
    })
    const gather = gatherOf(ends, before)
    level.push(gather)
    return gather
  }

  const gatherOf = (ends: readonly number[], before: number | undefined, more: Partial<PlanNode> = {}): number => {
    const gather = add({ of: ends, ...more }, before)
    ends.forEach((end, place) => {
      ;(nodes[end] as PlanNode).up = [gather, place, ends.length]
    })
    return gather
  }

  /** A node belongs to one gathering, and a result of a graph may be in several: a link stands for it in each. */
  const linkTo = (node: number): number => add({}, node)

  const compileGraph = (steps: readonly GraphStep[], before: number | undefined, level: number[]): number => {
    const numbers = new Map<string, number>()
    const numberOf = (name: string): number => numbers.get(name) as number
    for (const { name, part, takes, after } of steps) {
      const names = [...new Set([...takes.map(([, taken]) => taken), ...after])]
      const [only = ''] = names
      const all = { all: true as const }
      const waitsFor =
        names.length === 0
          ? before
          : names.length === 1
            ? numberOf(only)
            : gatherOf(
                names.map((each) => linkTo(numberOf(each))),
                before,
                all,
              )
      const place = (taken: string): number => (names.length === 1 ? -1 : names.indexOf(taken))
      const from = takes.length === 0 ? part.from : { takes: takes.map(([key, taken]) => [key, place(taken)] as const) }
      numbers.set(name, compile({ ...part, from }, waitsFor, [], 0))
    }
    const names = [...numbers.keys()]
    const last = gatherOf(
      names.map((name) => linkTo(numberOf(name))),
      before,
      { names },
    )
    level.push(last)
    return last
  }

  const level: number[] = []
  const last = compile(part, undefined, level, 0)
  for (const node of level) (nodes[node] as PlanNode).end = last
  return { nodes, inputs, roots, last }
}

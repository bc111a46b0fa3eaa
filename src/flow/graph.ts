/**
 * Steps by names, each of which may take the results of several earlier ones. A graph is a part like any other. Its result
 * is an object: by the name of each step its result.
 */
import { OptionsError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import type { Task } from '../task/task.js'
import { type FlowPart, type GraphStep, type StepOptions, step } from './parts.js'

/** What is known of the steps so far: by their names, what they leave for others and for the caller. */
type Known = Readonly<Record<string, { readonly stored: unknown; readonly out: unknown }>>
// biome-ignore lint/complexity/noBannedTypes: an object without properties is what no step is.
type None = {}

/** For each property of an input, the names of the steps whose results fit. */
type Taking<Input, Steps extends Known> = {
  readonly [Key in keyof Input & string]?: {
    [Name in keyof Steps & string]: Steps[Name]['stored'] extends Input[Key] ? Name : never
  }[keyof Steps & string]
}

export interface GraphStepOptions<From, Name extends string> extends Omit<StepOptions, 'into'> {
  /** By the properties of its input, the steps whose results they are. */
  readonly from?: From | undefined
  /** Steps that it only waits for. */
  readonly after?: readonly Name[] | undefined
}

/** A part of a flow whose steps have names. */
export type Graph<Steps extends Known = None> = GraphSteps<Steps> &
  FlowPart<
    unknown,
    { readonly [Name in keyof Steps]: Steps[Name]['stored'] },
    { readonly [Name in keyof Steps]: Steps[Name]['out'] }
  >

const areNames = (value: unknown): string | undefined =>
  Array.isArray(value) && value.every((each) => is.text(each) === undefined) ? undefined : 'a list of names'

const STEP_CHECKS = {
  ...{ from: is.record, after: areNames, expires: is.date },
  priority: is.oneOf('high', 'normal', 'low'),
}

/** A graph without steps. Each `step` returns a new graph with one more. */
export const graph = (): Graph => new GraphSteps([]) as unknown as Graph

export class GraphSteps<Steps extends Known = None> {
  readonly kind = 'graph'
  readonly steps: readonly GraphStep[]

  /** Use `graph()`. */
  constructor(steps: readonly GraphStep[]) {
    this.steps = steps
    Object.freeze(this)
  }

  /**
   * The same graph with one step more. It begins when all steps that it names in `from` and `after` have succeeded; one that
   * names none begins at once. Throws `OptionsError` for a name that another step has, and for one that no earlier step has.
   */
  step<const Name extends string, Input, Parsed, Output, Returned, const From extends Taking<Input, Steps> = None>(
    name: Name extends keyof Steps ? never : Name,
    task: Task<Input, Parsed, Output, Returned>,
    input: NoInfer<Omit<Input, keyof From>>,
    options: GraphStepOptions<From, keyof Steps & string> = {},
  ): Graph<Steps & Readonly<Record<Name, { readonly stored: Returned; readonly out: Output }>>> {
    const where = `graph.step(${String(name)})`
    const settled = settleOptions(where, options, STEP_CHECKS, {})
    const { from = {}, after = [], expires, priority } = settled
    const takes = Object.entries(from as Readonly<Record<string, string>>)
    const names = this.steps.map((each) => each.name)
    if (is.text(name) !== undefined || names.includes(name)) {
      throw new OptionsError(where, ['expected a name that no other step has'])
    }
    const unknown = [...takes.map(([, each]) => each), ...after].find((each) => !names.includes(each))
    if (unknown !== undefined) throw new OptionsError(where, [`expected the name of an earlier step, got: ${unknown}`])
    if (takes.length > 0 && is.record(input) !== undefined) {
      throw new OptionsError(where, ['expected the input to be an object where `from` is given'])
    }
    const part = step(task as Task, input, { expires, priority }) as unknown as GraphStep['part']
    return new GraphSteps([...this.steps, { name, part, takes, after }]) as never
  }
}

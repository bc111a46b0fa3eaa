/**
 * What flows are made of: steps, one after the other (`chain`) or beside each other (`group`), and a step that waits for
 * a group (`join`). Parts are plain data and may be used again. `In` is what a part takes from the part before it, as
 * the store keeps it; `Stored` what it leaves for the next; `Out` what a caller gets of it, parsed by its schemas.
 */
import { OptionsError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import { laneFor, type Priority } from '../task/lanes.js'
import { checkTask, type Task } from '../task/task.js'

export interface StepOptions {
  /** The property of its input in which the step finds the result of the part before it. */
  readonly into?: string | undefined
  /** Not to be run after this instant: the member ends then as `expired`. */
  readonly expires?: Date | undefined
  /** Of a task that is defined with `priority: true`: as for `send`. Default `normal`. */
  readonly priority?: Priority | undefined
}

/**
 * How a step gets its input: as it is given; from the result before it, whole or as one property; or from several, each of
 * which is one property: of a list its place, or -1 where there is no list.
 */
export type StepInput =
  | 'own'
  | 'whole'
  | { readonly into: string }
  | { readonly takes: readonly (readonly [key: string, place: number])[] }

export type AnyPart =
  | {
      readonly kind: 'step'
      readonly task: Task
      readonly input: unknown
      readonly from: StepInput
      readonly expires: Date | undefined
      /** Of its task; empty for the task's own queue. */
      readonly lane: string
    }
  | { readonly kind: 'chain'; readonly parts: readonly AnyPart[] }
  | { readonly kind: 'group'; readonly parts: readonly AnyPart[] }
  | { readonly kind: 'graph'; readonly steps: readonly GraphStep[] }

/** A step of a graph: by the properties of its input the names of those whose results it takes, and those it waits for. */
export interface GraphStep {
  readonly name: string
  readonly part: Extract<AnyPart, { readonly kind: 'step' }>
  readonly takes: readonly (readonly [key: string, name: string])[]
  readonly after: readonly string[]
}

declare const takes: unique symbol
declare const stores: unique symbol
declare const gives: unique symbol

/** A part of a flow: made by `step`, `chain`, `group`, `join` or `graph`. */
export type FlowPart<In = never, Stored = unknown, Out = unknown> = AnyPart & {
  readonly [takes]?: (before: In) => void
  readonly [stores]?: Stored
  readonly [gives]?: Out
}

const STEP_CHECKS = { into: is.text, expires: is.date, priority: is.oneOf('high', 'normal', 'low') }

/** One task whose input is the result of the part before it. */
export function step<Input, Parsed, Output, Returned>(
  task: Task<Input, Parsed, Output, Returned>,
): FlowPart<Input, Returned, Output>
/** One task whose input is given, except the property `into`, which is the result of the part before it. */
export function step<Input, Parsed, Output, Returned, Key extends keyof Input & string>(
  task: Task<Input, Parsed, Output, Returned>,
  input: NoInfer<Omit<Input, Key>>,
  options: StepOptions & { readonly into: Key },
): FlowPart<Input[Key], Returned, Output>
/** One task whose input is given. The result of a part before it is only waited for. */
export function step<Input, Parsed, Output, Returned>(
  task: Task<Input, Parsed, Output, Returned>,
  input: NoInfer<Input>,
  options?: Omit<StepOptions, 'into'>,
): FlowPart<unknown, Returned, Output>
export function step(...given: readonly unknown[]): AnyPart {
  const [task, input, options = {}] = given as [Task, unknown, StepOptions?]
  checkTask('step', task)
  const { into, expires, priority } = settleOptions(`step(${task.name})`, options, STEP_CHECKS, {})
  const from: StepInput = into !== undefined ? { into } : given.length < 2 ? 'whole' : 'own'
  if (into !== undefined && is.record(input) !== undefined) {
    throw new OptionsError(`step(${task.name})`, ['expected the input to be an object where `into` is given'])
  }
  // Which broker each worker is connected to is not known: priorities of its own are not counted on.
  const sent = { input, priority, native: false }
  const lane = priority === undefined ? '' : laneFor(`step(${task.name})`, task, sent).lane
  return Object.freeze({ kind: 'step', task, input, from, expires, lane })
}

/** What a part takes from the one before it. */
type InOf<P> = [P] extends [{ readonly [takes]?: (before: infer In) => void }] ? In : never
type StoredOf<P> = P extends { readonly [stores]?: infer S } ? S : never
type OutOf<P> = P extends { readonly [gives]?: infer O } ? O : never

type Last<Parts extends readonly unknown[]> = Parts extends readonly [...infer _, infer End] ? End : Parts[number]

/** Each part with what it must take: the result of the one before it. */
type Linked<Parts extends readonly unknown[]> = Parts extends readonly [infer First, infer Second, ...infer Rest]
  ? StoredOf<First> extends InOf<Second>
    ? readonly [First, ...Linked<readonly [Second, ...Rest]>]
    : readonly [First, FlowPart<StoredOf<First>>, ...Rest]
  : Parts

/** Parts one after the other: each begins when the one before it has succeeded, and may take its result. */
export function chain<const Parts extends readonly [FlowPart, ...FlowPart[]]>(
  ...parts: Parts & Linked<Parts>
): FlowPart<InOf<Parts[0]>, StoredOf<Last<Parts>>, OutOf<Last<Parts>>> {
  checkParts('chain', parts)
  if (parts.length === 0) throw new OptionsError('chain', ['expected at least one part'])
  return Object.freeze({ kind: 'chain', parts: [...parts] })
}

type Results<Parts extends readonly unknown[]> = { -readonly [At in keyof Parts]: StoredOf<Parts[At]> }
type Outputs<Parts extends readonly unknown[]> = { -readonly [At in keyof Parts]: OutOf<Parts[At]> }

/** Parts beside each other: its result is the list of theirs, in this order. It may be empty. */
export function group<const Parts extends readonly FlowPart[]>(
  parts: Parts,
): FlowPart<InOf<Parts[number]>, Results<Parts>, Outputs<Parts>> {
  checkParts('group', parts)
  return Object.freeze({ kind: 'group', parts: [...parts] }) as never
}

/** A group, and the part that begins when all of its members have ended: Celery's chord. The part takes their results. */
export function join<const Parts extends readonly FlowPart[], Body extends FlowPart<NoInfer<Results<Parts>>>>(
  parts: Parts,
  body: Body,
): FlowPart<InOf<Parts[number]>, StoredOf<Body>, OutOf<Body>> {
  checkParts('join', parts)
  checkParts('join', [body])
  const members: AnyPart = Object.freeze({ kind: 'group', parts: [...parts] })
  return Object.freeze({ kind: 'chain', parts: [members, body] }) as never
}

const KINDS: readonly unknown[] = ['step', 'chain', 'group', 'graph']

/** Throws an `OptionsError` for what is no list of parts. */
export function checkParts(where: string, parts: unknown): void {
  const wrong = Array.isArray(parts)
    ? parts.findIndex((part: unknown) => !KINDS.includes((part as AnyPart | null | undefined)?.kind))
    : 0
  if (wrong < 0) return
  throw new OptionsError(where, [
    Array.isArray(parts)
      ? `expected parts that step(), chain(), group(), join() or graph() made; the one at ${wrong} is none`
      : 'expected a list of parts',
  ])
}

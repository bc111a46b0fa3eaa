/** What `flows.start` returns: the way to a flow's state, members and result. */
import { FlowFailedError, type FlowFailure, type FlowMemberName, OptionsError, OutputError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import { check } from '../task/check.js'
import { flowMemberId } from '../wire/names.js'
import { type FlowEvent, flowEvents } from './flowEvents.js'
import type { FlowSettling } from './flowSettling.js'
import type { FlowRecord, FlowRule, FlowState, FlowStore, WholeFlow } from './flowStore.js'
import { leftBy, ResultGone } from './flowValues.js'
import type { MemberFailure } from './memberEnd.js'
import type { AnyPart } from './parts.js'
import type { PlanNode } from './plan.js'

export type FlowMemberState = 'waiting' | 'sent' | 'succeeded' | 'failed' | 'skipped' | 'cancelled'

export interface FlowMember extends FlowMemberName {
  /**
   * `waiting` for others; `sent`: its task waits or runs; `succeeded`; `failed`, for `reason`; `skipped`: not run, since
   * another failed or its flow ended; `cancelled`: it was sent, and had not ended when its flow did.
   */
  readonly state: FlowMemberState
  readonly reason?: FlowFailure
  readonly text?: string
}

export interface FlowStatus {
  readonly id: string
  readonly state: FlowState
  readonly onFailure: FlowRule
  readonly startedAt: Date
  readonly deadline: Date
  readonly endedAt?: Date
  /** Why it did not succeed. */
  readonly reason?: FlowFailure
  readonly text?: string
  /** The member that ended it. */
  readonly member?: FlowMemberName
}

export interface FlowResultOptions {
  /** How long to wait, in milliseconds; any length, or `Infinity`. Default: for ever. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface FlowHandleDependencies {
  readonly store: FlowStore
  readonly settling: FlowSettling
}

const RESULT_CHECKS = { timeoutMs: is.duration(0, { forever: true }), signal: is.signal }
const CANCEL_CHECKS = { reason: is.text }

export class FlowHandle<Output = unknown> {
  readonly id: string
  readonly #dependencies: FlowHandleDependencies
  readonly #part: AnyPart | undefined

  /** Does no I/O. Without `part` the result is given as it is stored. */
  constructor(id: string, dependencies: FlowHandleDependencies, part?: AnyPart) {
    this.id = id
    this.#dependencies = dependencies
    this.#part = part
  }

  /** Undefined when the store knows no such flow, or no more. Throws `StoreUnreachableError`, `StoreRefusesError`. */
  async state(): Promise<FlowStatus | undefined> {
    const record = await this.#dependencies.store.look(this.id)
    return record === undefined ? undefined : statusOf(this.id, record)
  }

  /** Its steps, in the order in which they were given. Empty when the store knows no such flow. Throws as `state` does. */
  async members(): Promise<FlowMember[]> {
    const whole = await this.#dependencies.store.whole(this.id)
    if (whole === undefined) return []
    return whole.nodes.flatMap((node, number) =>
      node.task === undefined ? [] : [memberOf(this.id, whole, node, number)],
    )
  }

  /**
   * Waits for the flow's end and resolves with the result of its last part, parsed by its tasks' output schemas: of a
   * group the list of its members', null for one that failed in a flow that continues. Throws `FlowFailedError`, which
   * says why it ended and names the member; `ResultTimeoutError`, `OutputError`, or the signal's reason.
   */
  async result(options: FlowResultOptions = {}): Promise<Output> {
    const settled = settleOptions('result', options, RESULT_CHECKS, {})
    const { store } = this.#dependencies
    const stored = await store.results.wait(this.id, settled)
    if (stored.status !== 'SUCCESS') {
      const record = await store.look(this.id)
      if (record?.end !== undefined) throw failureOf(this.id, record)
      const message = stored.error?.message ?? stored.status
      const [, reason = 'failed', text = message] = /^([a-z-]+): (.*)$/s.exec(message) ?? []
      throw new FlowFailedError(this.id, reason, text)
    }
    const value = await this.#value()
    return (this.#part === undefined ? value : await parsed(this.#part, value, this.id)) as Output
  }

  /**
   * What happens in the flow, in order and from the beginning: started, each step sent and ended, and the flow's end, after
   * which nothing comes. Each call is a reader of its own. The iterator throws `FlowFailedError` when the store knows no such
   * flow, the signal's reason, and what `state` throws.
   */
  events(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<FlowEvent> {
    const { signal } = settleOptions('events', options, { signal: is.signal }, {})
    return flowEvents(this.#dependencies.store, this.id, signal)
  }

  /**
   * Ends the flow, unless it has ended: what was not sent is not sent, and its members are cancelled. Returns its state
   * then, undefined when the store knows no such flow. Throws as `state` does; then it may be repeated.
   */
  async cancel(options: { readonly reason?: string | undefined } = {}): Promise<FlowState | undefined> {
    const { reason = 'it was cancelled' } = settleOptions('cancel', options, CANCEL_CHECKS, {})
    return this.#dependencies.settling.end(this.id, 'cancelled', { at: Date.now(), reason: 'cancelled', text: reason })
  }

  async #value(): Promise<unknown> {
    const { store } = this.#dependencies
    try {
      const record = await store.look(this.id)
      if (record === undefined) throw new ResultGone('the store does not know the flow any more')
      const [node = {}] = await store.nodes(this.id, [record.last])
      return await leftBy(store, this.id, record.last, node, await store.endOf(this.id, record.last, node))
    } catch (error) {
      if (error instanceof ResultGone) throw new FlowFailedError(this.id, 'results-expired', error.message)
      throw error
    }
  }
}

/** Throws an `OptionsError` for what is no flow's id. */
export function checkFlowId(where: string, id: unknown, pattern: RegExp): void {
  if (typeof id === 'string' && pattern.test(id)) return
  throw new OptionsError(where, ['expected the id of a flow: 1 to 190 letters, digits, `_`, `.`, `:` and `-`'])
}

function failureOf(id: string, { end, state }: FlowRecord): FlowFailedError {
  return new FlowFailedError(id, end?.reason ?? state, end?.text ?? '', end?.member)
}

function statusOf(id: string, { state, rule, startedAt, deadline, end }: FlowRecord): FlowStatus {
  const ended = end === undefined ? {} : { endedAt: new Date(end.at) }
  const { reason, text, member } = end ?? {}
  return {
    ...{ id, state, onFailure: rule, startedAt: new Date(startedAt), deadline: new Date(deadline), ...ended },
    ...(reason === undefined ? {} : { reason }),
    ...(text === undefined ? {} : { text }),
    ...(member === undefined ? {} : { member }),
  }
}

function memberOf(flow: string, whole: WholeFlow, node: PlanNode, number: number): FlowMember {
  const name = { id: flowMemberId(flow, number), task: node.task ?? '' }
  const end = whole.ends.get(number)
  const running = whole.record.state === 'running'
  if (end?.kind === 'failed') {
    const { reason, text, node: by } = end.failure
    return by === number
      ? { ...name, state: 'failed', reason, text }
      : { ...name, state: 'skipped', ...skippedBy(flow, end.failure) }
  }
  if (end !== undefined) return { ...name, state: 'succeeded' }
  if (whole.sent.has(number)) return { ...name, state: running ? 'sent' : 'cancelled' }
  const failed = node.end === undefined ? undefined : whole.ends.get(node.end)
  if (failed?.kind === 'failed') return { ...name, state: 'skipped', ...skippedBy(flow, failed.failure) }
  return { ...name, state: running ? 'waiting' : 'skipped' }
}

const skippedBy = (flow: string, { reason, node }: MemberFailure) => ({
  reason,
  text: `${flowMemberId(flow, node)} did not succeed`,
})

/** What a caller gets of a stored result: each step's, parsed by its task's output schema. */
async function parsed(part: AnyPart, value: unknown, flow: string): Promise<unknown> {
  if (part.kind === 'chain') return parsed(part.parts.at(-1) as AnyPart, value, flow)
  if (part.kind === 'group') {
    const { parts } = part
    return Array.isArray(value) ? Promise.all(value.map((each, at) => parsed(parts[at] as AnyPart, each, flow))) : value
  }
  if (part.kind === 'graph') {
    const byName = value as Readonly<Record<string, unknown>>
    const each = part.steps.map(async (one) => [one.name, await parsed(one.part, byName[one.name], flow)] as const)
    return Object.fromEntries(await Promise.all(each))
  }
  const { output, name } = part.task
  if (output === undefined) return value
  const checked = await check(output, value)
  if (checked.issues === undefined) return checked.value
  // A member that failed, or a handler that returned undefined: JSON has one word for both.
  if (value === null) return null
  throw new OutputError(name, checked.issues, flow)
}

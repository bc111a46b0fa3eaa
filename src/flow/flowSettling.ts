/**
 * What a flow does when a member has ended. Four steps, each of which may be the last one of the process:
 *
 * 1. note how the member ended, in a field of its own, and learn what waits for it alone, or how many others have ended;
 * 2. publish what begins then, under ids that were fixed before, confirmed;
 * 3. note that as sent;
 * 4. the member's message is acknowledged.
 *
 * Whoever repeats them does what the first one began: a member's first end stays, a step that was sent is not sent again,
 * and of one that was published twice one copy is run. So the steps are taken for a member that is found done, too.
 */
import { channel } from 'node:diagnostics_channel'
import { FlowFailedError, textOf } from '../errors/index.js'
import type { WarrenEvents } from '../observe/events.js'
import type { Clock } from '../time/clock.js'
import type { FlowMark } from '../wire/flowMark.js'
import { flowTag } from '../wire/names.js'
import { encodeFailure, encodeSuccess } from '../wire/resultFormat.js'
import type { FlowMail } from './flowMail.js'
import { type FlowEnd, type FlowRecord, type FlowState, type FlowStore, memberName, type Noted } from './flowStore.js'
import { inputOf, leftBy, ResultGone } from './flowValues.js'
import { isLasting } from './lasting.js'
import { failedEnd, type MemberEnd, type MemberFailure } from './memberEnd.js'
import type { PlanNode } from './plan.js'

export interface FlowSettlingOptions {
  readonly store: FlowStore
  readonly mail: FlowMail
  readonly clock: Clock
  /** Cancels all that was sent with a tag until now. */
  readonly cancelTag: (tag: string) => Promise<unknown>
  /** Notified when a flow has ended and its end is stored. */
  readonly onEnd: (event: WarrenEvents['flowEnded'][0]) => void
}

/** Larger results are not put into a message: the worker that gets it fetches them. */
const MAX_CARRIED = 512 * 1024
/** How many are on their way to the broker at the same time. */
const TOGETHER = 500
/** The name under which the end of a flow is stored. */
const TASK = 'flow'

/** For those who watch the steps: `{ flow, node, step }` after each, and `step: 0` before the first. */
const steps = channel('warren:flow')

export class FlowSettling {
  readonly #options: FlowSettlingOptions

  constructor(options: FlowSettlingOptions) {
    this.#options = options
  }

  /** In whole milliseconds since 1970. */
  get #now(): number {
    return Math.floor(this.#options.clock.now())
  }

  /** Carries out what the end of a member means. May be repeated. Throws what the store and publishing throw. */
  async settle({ flow, node, gather }: Pick<FlowMark, 'flow' | 'node' | 'gather'>, end: MemberEnd): Promise<void> {
    step(flow, node, 0)
    const noted = await this.#options.store.note(flow, node, gather, end)
    step(flow, node, 1)
    // Without its record the flow cannot go on: its token ends it.
    if (noted === undefined) return
    await this.passOn(flow, node, noted)
  }

  /** What comes after a node whose end is noted. */
  async passOn(flow: string, number: number, { state, told, rule, end, ended, node }: Noted): Promise<void> {
    if (state !== 'running') return told ? undefined : this.#tellAgain(flow)
    if (end.kind === 'failed') {
      if (rule === 'fail') return this.#fail(flow, number, node, end.failure)
      // The rest of its chain is not run.
      if (node.end !== undefined && node.end !== number) return this.#skipTo(flow, node.end, end)
      if (node.end === undefined && node.next !== undefined) return this.#skipNext(flow, node.next, end)
      if (node.up === undefined) return this.#fail(flow, number, node, end.failure)
    }
    if (node.up !== undefined) {
      const [gather, , size] = node.up
      if (ended >= size) await this.#settleGather(flow, gather)
    } else if (node.next !== undefined) {
      await this.sendAll(flow, node.next)
    } else {
      await this.end(flow, 'succeeded', { at: this.#now })
    }
    step(flow, number, 3)
  }

  /** Sends these nodes, as far as they are not noted as sent. A member that cannot be sent ends as `unsendable`. */
  async sendAll(flow: string, numbers: readonly number[]): Promise<void> {
    const { store } = this.#options
    const record = await store.look(flow)
    if (record === undefined) return
    const before = new Map<number, Promise<unknown>>()
    for (let index = 0; index < numbers.length; index += TOGETHER) {
      // Asked for each part: somebody else may be sending the same.
      const some = await store.unsent(flow, numbers.slice(index, index + TOGETHER))
      if (some.length === 0) continue
      const [nodes, inputs] = await Promise.all([store.nodes(flow, some), store.inputs(flow, some)])
      const failures: { readonly number: number; readonly error: unknown }[] = []
      await Promise.all(
        some.map((number, at) =>
          this.#sendOne(flow, record, number, nodes[at] ?? {}, inputs[at] ?? null, before).catch((error: unknown) => {
            failures.push({ number, error })
          }),
        ),
      )
      const waiting = failures.find(({ error }) => !isForEver(error))
      if (waiting !== undefined) throw waiting.error
      step(flow, some[0] ?? 0, 2)
      const state = await store.sent(flow, some)
      for (const { number, error } of failures) await this.#unsendable(flow, number, error)
      // It was cancelled or has failed meanwhile, and what was sent since is not cancelled yet.
      if (state !== 'running') return void (await this.#options.cancelTag(flowTag(flow)))
    }
  }

  /** Ends a flow, and tells those who wait. One that has ended stays as it is. */
  async end(flow: string, state: FlowState, end: FlowEnd): Promise<FlowState | undefined> {
    const ended = await this.#options.store.end(flow, state, end)
    if (ended !== undefined && !ended.told) await this.#tell(flow, ended.state, ended.end)
    return ended?.state
  }

  /** Stores how a flow ended, of which the store knows nothing else. */
  async tellLost(flow: string, startedAt: number, reply: string, reason: string, text: string): Promise<void> {
    await this.#options.cancelTag(flowTag(flow))
    const error = { errorClass: 'FlowFailedError', message: `${reason}: ${text}`, traceback: undefined }
    const speaker = { id: flow, attempt: 1, run: startedAt, task: TASK }
    const encoded = encodeFailure({ ...speaker, error, doneAt: new Date() })
    await this.#options.store.results.store({ ...speaker, replyTo: reply || undefined }, encoded, { urgent: true })
    this.#options.onEnd({ flow, state: 'failed', reason, tookMs: this.#now - startedAt })
  }

  /** The input of a member whose results were too large for its message. Throws `FlowFailedError`, and what the store throws. */
  async fetchInput({ flow, node: number }: FlowMark): Promise<unknown> {
    const { store } = this.#options
    const [[node], [own = null]] = await Promise.all([store.nodes(flow, [number]), store.inputs(flow, [number])])
    const member = memberName(flow, number, node ?? {})
    if (node?.after === undefined) {
      throw new FlowFailedError(flow, 'store-emptied', 'the store does not know the flow any more', member)
    }
    try {
      return inputOf(node.from, own, await this.#leftBy(flow, node.after))
    } catch (error) {
      if (error instanceof ResultGone) throw new FlowFailedError(flow, 'results-expired', error.message, member)
      throw error
    }
  }

  async #settleNode(flow: string, number: number, end: MemberEnd): Promise<void> {
    const [node] = await this.#options.store.nodes(flow, [number])
    if (node !== undefined) await this.settle({ flow, node: number, gather: node.up?.[0] }, end)
  }

  /** All members have ended. */
  async #settleGather(flow: string, number: number): Promise<void> {
    const { store } = this.#options
    const [node = {}] = await store.nodes(flow, [number])
    const ends = node.all === true ? await store.gathered(flow, number) : undefined
    const failed = node.of?.map((member) => ends?.get(member)).find((end) => end?.kind === 'failed')
    await this.settle({ flow, node: number, gather: node.up?.[0] }, failed ?? { kind: 'gathered' })
  }

  /** In a graph that continues, what needs the result is not run. */
  async #skipNext(flow: string, next: readonly number[], end: MemberEnd): Promise<void> {
    for (const number of next) await this.#settleNode(flow, number, end)
  }

  #skipTo(flow: string, number: number, end: MemberEnd): Promise<void> {
    return this.#settleNode(flow, number, end)
  }

  async #sendOne(
    flow: string,
    { startedAt }: FlowRecord,
    number: number,
    node: PlanNode,
    own: string | null,
    known: Map<number, Promise<unknown>>,
  ): Promise<void> {
    // A gathering of nothing has ended as it begins.
    if (node.task === undefined) return this.#settleNode(flow, number, { kind: 'gathered' })
    let before: unknown
    if (node.after !== undefined && node.from !== 'own') {
      const { after } = node
      const reading = known.get(after) ?? this.#carried(flow, after)
      known.set(after, reading)
      before = await reading
    }
    const fetch = before === TOO_LARGE
    const input = fetch ? {} : inputOf(node.from, own, before)
    await this.#options.mail.send({ flow, startedAt, number, node, input, fetch })
  }

  /** What a node left, or that it is too large for a message. */
  async #carried(flow: string, number: number): Promise<unknown> {
    const value = await this.#leftBy(flow, number)
    return JSON.stringify(value).length > MAX_CARRIED ? TOO_LARGE : value
  }

  async #leftBy(flow: string, number: number): Promise<unknown> {
    const { store } = this.#options
    const [node = {}] = await store.nodes(flow, [number])
    return leftBy(store, flow, number, node, await store.endOf(flow, number, node))
  }

  async #unsendable(flow: string, number: number, error: unknown): Promise<void> {
    const reason = error instanceof ResultGone ? 'results-expired' : 'unsendable'
    await this.#settleNode(flow, number, failedEnd(number, reason, textOf(error)))
  }

  async #fail(flow: string, number: number, node: PlanNode, { reason, text, node: by }: MemberFailure): Promise<void> {
    const [failed = node] = by === number ? [node] : await this.#options.store.nodes(flow, [by])
    await this.end(flow, 'failed', { at: this.#now, reason, text, member: memberName(flow, by, failed) })
  }

  async #tellAgain(flow: string): Promise<void> {
    const { store } = this.#options
    const record = await store.look(flow)
    if (record?.end !== undefined && !record.told) await this.#tell(flow, record.state, record.end)
  }

  async #tell(flow: string, state: FlowState, end: FlowEnd): Promise<void> {
    const { store, cancelTag, onEnd } = this.#options
    if (state !== 'succeeded') await cancelTag(flowTag(flow))
    const record = await store.look(flow)
    const speaker = {
      id: flow,
      attempt: 1,
      run: record?.startedAt ?? 0,
      task: TASK,
      replyTo: record?.reply || undefined,
    }
    const doneAt = new Date(end.at)
    const message = `${end.reason}: ${end.text}`
    const encoded =
      state === 'succeeded'
        ? encodeSuccess({ ...speaker, output: null, doneAt })
        : encodeFailure({ ...speaker, error: { errorClass: 'FlowFailedError', message, traceback: undefined }, doneAt })
    await store.results.store(speaker, encoded, { urgent: true })
    // Several may tell at once: a member's two copies, or a member and the watchdog. One of them reports it.
    const first = record === undefined || (await store.told(flow))
    if (!first || state === 'running') return
    const { at, reason, member } = end
    onEnd({
      ...{ flow, state, tookMs: Math.max(0, at - (record?.startedAt ?? at)) },
      ...(reason === undefined ? {} : { reason }),
      ...(member === undefined ? {} : { member }),
    })
  }
}

const TOO_LARGE = Symbol('too large for a message')

/** What trying again would not change. */
const isForEver = (error: unknown): boolean => isLasting(error) || error instanceof ResultGone

function step(flow: string, node: number, number: number): void {
  if (steps.hasSubscribers) steps.publish({ flow, node, step: number })
}

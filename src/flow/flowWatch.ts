/**
 * A visit of a flow's watchdog token. It repeats what a settling began and nobody went on with, takes up members that
 * ended without a settling (a worker of another language ran them), and ends a flow that cannot end by itself: its store
 * was emptied, a member's queue was deleted, its deadline is over. The token then goes on its way until the flow has ended.
 */
import { MessageError } from '../errors/index.js'
import type { Clock } from '../time/clock.js'
import { flowMemberId } from '../wire/names.js'
import { encodeSuccess, isFinal } from '../wire/resultFormat.js'
import type { CeleryEnd } from './celeryLink.js'
import type { FlowMail, FlowToken } from './flowMail.js'
import type { FlowSettling } from './flowSettling.js'
import { type FlowRecord, type FlowStore, memberName, type WholeFlow } from './flowStore.js'
import { failedEnd, type MemberEnd, succeededEnd } from './memberEnd.js'
import type { PlanNode } from './plan.js'

export interface FlowWatchOptions {
  readonly store: FlowStore
  readonly mail: FlowMail
  readonly settling: FlowSettling
  readonly clock: Clock
  /** Whether a queue takes a task, for all that the broker says. */
  readonly isTaken: (task: string) => Promise<boolean>
}

const FIRST_VISIT_MS = 2_000
const LONGEST_MS = 60_000
/** How many members the reason of a flow that is over its deadline names. */
const NAMED = 5
/** How many results are read at a time. */
const TOGETHER = 500

/** When a token comes again, after so many visits. */
export const nextVisitMs = (visit: number): number => Math.min(LONGEST_MS, FIRST_VISIT_MS * 2 ** Math.min(visit, 10))

export class FlowWatch {
  readonly #options: FlowWatchOptions

  constructor(options: FlowWatchOptions) {
    this.#options = options
  }

  /** To be acknowledged then. Throws what the store and publishing throw; then it is to be repeated. */
  async visit(token: FlowToken): Promise<void> {
    const { store, mail, clock } = this.#options
    // An older one: its visit was carried out, and its worker died before it could acknowledge.
    if ((await store.visit(token.flow)) > token.visit) return
    const next = await this.#look(token)
    if (next === undefined) return
    const visit = token.visit + 1
    const leftMs = Math.max(1_000, token.deadline - clock.now())
    await mail.passOn({ ...token, ...next, visit }, Math.min(leftMs, nextVisitMs(visit)))
    await store.visited(token.flow, visit)
  }

  /** A member has ended in a Python worker, which says so before it stores the result. To be repeated until it does not throw. */
  async ended({ flow, node, gather, result }: CeleryEnd): Promise<void> {
    const { store, settling, clock } = this.#options
    const id = flowMemberId(flow, node)
    if (result === undefined) {
      const end = (await this.#endOf(store, flow, node)) ?? failedEnd(node, 'failed', 'its Celery worker said so')
      return settling.settle({ flow, node, gather }, end)
    }
    const end = succeededEnd(JSON.stringify(result.value ?? null))
    if (end.kind === 'elsewhere') {
      const speaker = { id, attempt: 1, run: 0, replyTo: undefined }
      const success = { ...speaker, task: id, output: result.value, doneAt: new Date(clock.now()) }
      await store.results.store(speaker, encodeSuccess(success), { urgent: true })
    }
    await settling.settle({ flow, node, gather }, end)
  }

  /** What the token remembers of this visit; undefined when the flow has ended. */
  async #look(token: FlowToken): Promise<Pick<FlowToken, 'seen' | 'sent'> | undefined> {
    const { flow, startedAt, deadline, reply, seen } = token
    const { store, settling, clock } = this.#options
    const whole = await store.whole(flow)
    if (whole === undefined) {
      const text = 'the store does not know the flow any more: it was emptied, or lost what was written last'
      await settling.tellLost(flow, startedAt, reply, 'store-emptied', text)
      return undefined
    }
    const { record } = whole
    if (record.state !== 'running') {
      await settling.end(flow, record.state, record.end ?? { at: clock.now() })
      return undefined
    }
    await this.#goOn(flow, whole, token.sent)
    const open = whole.nodes.flatMap((node, number) => (isOpen(whole, node, number) ? [{ node, number }] : []))
    await this.#takeUp(flow, open)
    const still = await store.look(flow)
    if (still?.state !== 'running') return this.#look(token)
    if (clock.now() >= deadline) {
      const text = `its deadline was ${new Date(deadline).toISOString()}, and not ended are ${named(flow, open)}`
      await settling.end(flow, 'failed', {
        ...{ at: clock.now(), reason: 'deadline', text },
        ...(open[0] && { member: memberName(flow, open[0].number, open[0].node) }),
      })
      return undefined
    }
    return { seen: await this.#checkQueues(flow, open, seen), sent: whole.sent.size }
  }

  /**
   * Repeats what was noted and not carried out. Thousands of steps take longer to be sent than a token takes to come: those of
   * which a part is sent, and more than at the visit before, are left to whoever sends them.
   */
  async #goOn(flow: string, { record, nodes, ends, sent }: WholeFlow, sentBefore = sent.size): Promise<void> {
    const { settling } = this.#options
    const grows = sent.size > sentBefore
    const isLeft = (steps: readonly number[]): boolean =>
      steps.some((each) => !sent.has(each)) && !(grows && steps.some((each) => sent.has(each)))
    if (isLeft(record.roots)) await settling.sendAll(flow, record.roots)
    const ended = new Map<number, number>()
    for (const number of ends.keys()) {
      const gather = nodes[number]?.up?.[0]
      if (gather !== undefined) ended.set(gather, (ended.get(gather) ?? 0) + 1)
    }
    const repeated = new Set<number>()
    for (const [number, end] of ends) {
      const node = nodes[number] as PlanNode
      const [gather, , size] = node.up ?? []
      const unsent = node.next !== undefined && isLeft(node.next) && end.kind !== 'failed'
      const full = gather !== undefined && (ended.get(gather) ?? 0) >= (size ?? 0) && !ends.has(gather)
      const strands = unsent || (full && !repeated.has(gather)) || isStranded(record, number, node, end, ends)
      if (!strands) continue
      if (gather !== undefined) repeated.add(gather)
      await settling.settle({ flow, node: number, gather }, end)
    }
  }

  /** Members that have ended, although nobody has settled them here. */
  async #takeUp(flow: string, open: readonly Open[]): Promise<void> {
    const { store, settling } = this.#options
    for (let index = 0; index < open.length; index += TOGETHER) {
      const some = open.slice(index, index + TOGETHER)
      const ends = await Promise.all(some.map(({ number }) => this.#endOf(store, flow, number)))
      for (const [at, end] of ends.entries()) {
        const { node, number } = some[at] as Open
        if (end !== undefined) await settling.settle({ flow, node: number, gather: node.up?.[0] }, end)
      }
    }
  }

  async #endOf(store: FlowStore, flow: string, number: number): Promise<MemberEnd | undefined> {
    try {
      const stored = await store.results.get(flowMemberId(flow, number), { timeoutMs: 10_000 })
      if (stored === undefined || !isFinal(stored.status)) return undefined
      if (stored.status === 'SUCCESS') return succeededEnd(JSON.stringify(stored.result ?? null))
      const { errorClass, message } = stored.error ?? { errorClass: stored.status, message: '' }
      const reason = stored.status === 'REVOKED' ? 'cancelled' : 'failed'
      return failedEnd(number, reason, `${errorClass}: ${message}`)
    } catch (error) {
      if (error instanceof MessageError)
        return failedEnd(number, 'failed', `its result cannot be read: ${error.message}`)
      throw error
    }
  }

  /** A member whose queue was there and is gone does not end by itself. */
  async #checkQueues(flow: string, open: readonly Open[], seen: readonly string[]): Promise<readonly string[]> {
    const { settling, isTaken } = this.#options
    const tasks = new Set(open.map(({ node }) => node.task ?? ''))
    const now = new Set(seen)
    for (const task of tasks) {
      if (await isTaken(task)) {
        now.add(task)
      } else if (seen.includes(task)) {
        now.delete(task)
        for (const { node, number } of open.filter((each) => each.node.task === task)) {
          const end = failedEnd(number, 'queue-deleted', `no queue takes ${task} any more`)
          await settling.settle({ flow, node: number, gather: node.up?.[0] }, end)
        }
      }
    }
    return [...now]
  }
}

interface Open {
  readonly node: PlanNode
  readonly number: number
}

const isOpen = ({ sent, ends }: WholeFlow, { task }: PlanNode, number: number): boolean =>
  task !== undefined && sent.has(number) && !ends.has(number)

/** A node whose end ends the flow, or its chain, and did not yet. */
const isStranded = (
  { last, rule }: FlowRecord,
  number: number,
  node: PlanNode,
  end: MemberEnd,
  ends: ReadonlyMap<number, MemberEnd>,
): boolean =>
  number === last ||
  (end.kind === 'failed' &&
    (rule === 'fail' ||
      (node.end === undefined ? node.next?.some((next) => !ends.has(next)) === true : !ends.has(node.end))))

function named(flow: string, open: readonly Open[]): string {
  const names = open.slice(0, NAMED).map(({ node, number }) => `${flowMemberId(flow, number)} (${node.task})`)
  const more = open.length > NAMED ? ` and ${open.length - NAMED} more` : ''
  return names.length === 0 ? 'steps that were not sent' : `${names.join(', ')}${more}`
}

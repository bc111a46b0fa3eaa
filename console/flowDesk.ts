/**
 * Flows: one by its id, and those whose members are among the latest tasks. The store has no list of flows; a member's id is
 * its flow's with a number behind it.
 */
import type { FlowMember, FlowState, FlowStatus, Warren } from 'warren'
import { type Asked, hasWords, type Page, pageOf } from './paging.js'
import { Refusal } from './refusal.js'
import { flowIdIn } from './taskDesk.js'
import type { TaskHistory } from './taskHistory.js'
import { type Excerpt, excerpt } from './text.js'
import { within } from './within.js'

const STORE_MS = 5_000
/** How many tasks are looked at for flows, and how many flows are asked for. */
const MAX_TASKS = 1_000
const MAX_FLOWS = 100
const KEPT_MS = 4_000
const MAX_TEXT = 1_000
const FLOW_ID = /^[\w.:-]{1,190}$/

export interface FlowItem {
  readonly id: string
  readonly state: FlowState
  readonly onFailure: string
  readonly startedAt: string
  readonly deadline: string
  readonly endedAt?: string
  readonly reason?: string
  readonly text?: Excerpt
  readonly member?: { readonly id: string; readonly task: string }
}

export interface FlowView extends FlowItem {
  readonly members: Page<Omit<FlowMember, 'text'> & { readonly text?: Excerpt }>
  /** How many members are in each state. */
  readonly counts: Readonly<Record<string, number>>
}

export class FlowDesk {
  readonly #open: () => Promise<Warren>
  readonly #history: TaskHistory | undefined
  #kept: { readonly at: number; readonly flows: Promise<FlowItem[]> } | undefined

  constructor(open: () => Promise<Warren>, history: TaskHistory | undefined) {
    this.#open = open
    this.#history = history
  }

  async list({ q = '', state = '' }: Readonly<Record<string, string>>, asked: Asked): Promise<Page<FlowItem>> {
    const all = await within(STORE_MS, 'The result store', this.#all())
    const words = q.trim().slice(0, 200)
    const found = all.filter(
      (flow) =>
        (state === '' || flow.state === state) &&
        (words === '' || hasWords(`${flow.id} ${flow.text?.text ?? ''}`, words)),
    )
    return pageOf(found, all.length, asked)
  }

  async show(id: string, asked: Asked): Promise<FlowView> {
    const handle = (await this.#open()).flows.handle(checkedId(id))
    const [status, members] = await within(
      STORE_MS,
      'The result store',
      Promise.all([handle.state(), handle.members()]),
    )
    if (status === undefined) {
      throw new Refusal(404, 'UNKNOWN_FLOW', 'The store knows no such flow: it was never started, or its time is over')
    }
    const counts = new Map<string, number>()
    for (const { state } of members) counts.set(state, (counts.get(state) ?? 0) + 1)
    const page = pageOf(members, members.length, asked)
    const shown = page.items.map(({ text, ...member }) => ({
      ...member,
      ...(text === undefined ? {} : { text: excerpt(text, MAX_TEXT) }),
    }))
    return { ...itemOf(status), members: { ...page, items: shown }, counts: Object.fromEntries(counts) }
  }

  async cancel(id: string, user: string): Promise<FlowState> {
    const handle = (await this.#open()).flows.handle(checkedId(id))
    const state = await within(
      STORE_MS,
      'The result store',
      handle.cancel({ reason: `${user} cancelled it in the console` }),
    )
    this.#kept = undefined
    if (state === undefined) throw new Refusal(404, 'UNKNOWN_FLOW', 'The store knows no such flow')
    return state
  }

  #all(): Promise<FlowItem[]> {
    const now = performance.now()
    if (this.#kept === undefined || now - this.#kept.at > KEPT_MS) {
      const kept = { at: now, flows: this.#read() }
      this.#kept = kept
      kept.flows.catch(() => {
        if (this.#kept === kept) this.#kept = undefined
      })
    }
    return this.#kept.flows
  }

  async #read(): Promise<FlowItem[]> {
    if (this.#history === undefined) return []
    const { items } = await this.#history.find({ size: MAX_TASKS })
    const ids = [...new Set(items.map(({ id }) => flowIdIn(id)).filter((id) => id !== undefined))].slice(0, MAX_FLOWS)
    const warren = await this.#open()
    const found = await Promise.all(
      ids.map((id) =>
        warren.flows
          .handle(id)
          .state()
          .catch(() => undefined),
      ),
    )
    return found
      .filter((status) => status !== undefined)
      .map(itemOf)
      .sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1))
  }
}

function checkedId(id: string): string {
  if (FLOW_ID.test(id)) return id
  throw new Refusal(400, 'BAD_ID', 'A flow’s id has 1 to 190 letters, digits, `_`, `.`, `:` and `-`')
}

function itemOf({ id, state, onFailure, startedAt, deadline, endedAt, reason, text, member }: FlowStatus): FlowItem {
  return {
    ...{ id, state, onFailure, startedAt: startedAt.toISOString(), deadline: deadline.toISOString() },
    ...(endedAt === undefined ? {} : { endedAt: endedAt.toISOString() }),
    ...(reason === undefined ? {} : { reason }),
    ...(text === undefined ? {} : { text: excerpt(text, MAX_TEXT) }),
    ...(member === undefined ? {} : { member }),
  }
}

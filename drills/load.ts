/**
 * Steady load: messages on both queues at a stated rate, whatever happens. It does not wait for confirms before it
 * sends on (an open loop, the way independent callers behave), and writes each send and its end into the ledger.
 */

import { type TaskInput, textOf, UnconfirmedError } from 'warren'
import { accountInput, invoiceInput } from '../demo/payloads.js'
import type { createAccount, createInvoice } from '../demo/tasks.js'
import type { Ledger } from './ledger.js'
import { QUEUE_KEYS, type QueueKey, type Timeline } from './timeline.js'

export interface LoadPlan {
  /** Messages a second on each of the two queues. */
  readonly ratePerQueue: number
  /** How long each task takes. */
  readonly taskMs: number
  /** Messages are sent so many milliseconds apart, together, so that they share packs. Left out: as evenly as can be. */
  readonly burstMs?: number
}

export type AccountInput = TaskInput<typeof createAccount>
export type InvoiceInput = TaskInput<typeof createInvoice>

/** Sends one message and resolves with its id when the broker surely has it, as far as this sender can tell. */
export interface Sender {
  account(input: AccountInput, at?: Date): Promise<string>
  /** `at`: not to be run before. */
  invoice(input: InvoiceInput, at?: Date): Promise<string>
  close(): Promise<void>
}

const TICK_MS = 10

export class Load {
  readonly plan: LoadPlan
  readonly #sender: Sender
  readonly #ledger: Ledger
  readonly #timeline: Timeline
  #timer: NodeJS.Timeout | undefined
  #startedAt = 0
  #sent = 0
  #index = 0

  constructor(plan: LoadPlan, sender: Sender, ledger: Ledger, timeline: Timeline) {
    this.plan = plan
    this.#sender = sender
    this.#ledger = ledger
    this.#timeline = timeline
  }

  start(): void {
    this.#startedAt = performance.now()
    this.#sent = 0
    this.#timer = setInterval(() => this.#tick(), this.plan.burstMs ?? TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** One message outside the steady rate, with the same accounting. Resolves with its id once it is confirmed. */
  one(queue: QueueKey, change: { readonly fault?: 'exit' } = {}): Promise<string> {
    return this.#send(queue, change)
  }

  /** The same, of one that is not to be run before an instant. */
  later(queue: QueueKey, at: Date): Promise<string> {
    return this.#send(queue, {}, at)
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedAt) * this.plan.ratePerQueue) / 1000)
    while (this.#sent < due) {
      this.#sent++
      // Its end is in the ledger.
      for (const queue of QUEUE_KEYS) this.#send(queue, {}).catch(() => undefined)
    }
  }

  async #send(queue: QueueKey, change: { readonly fault?: 'exit' }, at?: Date): Promise<string> {
    const index = this.#index++
    const seconds = this.plan.taskMs / 1000
    this.#ledger.sent()
    this.#timeline.count('sent', queue, Date.now())
    try {
      const id = await (queue === 'user'
        ? this.#sender.account({ ...accountInput(index, seconds), ...change }, at)
        : this.#sender.invoice({ ...invoiceInput(index, seconds), ...change }, at))
      this.#ledger.confirmed(id, queue)
      this.#timeline.count('confirmed', queue, Date.now())
      return id
    } catch (error) {
      // One that was not confirmed may be in the queue all the same; its error names it.
      this.#ledger.refused(error instanceof UnconfirmedError ? error.id : undefined, queue, codeOf(error))
      throw error
    }
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : textOf(error).slice(0, 80)

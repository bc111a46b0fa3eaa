/**
 * Steady load: messages on both queues at a stated rate, whatever happens. It does not wait for confirms before it
 * sends on (an open loop, the way independent callers behave), and writes each send and its end into the ledger.
 */
import { randomUUID } from 'node:crypto'
import { accountInput, invoiceInput } from '../demo/payloads.js'
import type { createAccount, createInvoice } from '../demo/tasks.js'
import { type TaskInput, textOf } from '../src/index.js'
import type { Ledger } from './ledger.js'
import { QUEUE_KEYS, type QueueKey, type Timeline } from './timeline.js'

export interface LoadPlan {
  /** Messages a second on each of the two queues. */
  readonly ratePerQueue: number
  /** How long each task takes. */
  readonly taskMs: number
}

export type AccountInput = TaskInput<typeof createAccount>
export type InvoiceInput = TaskInput<typeof createInvoice>

/** Sends one message and resolves when the broker has it for sure, as far as this sender can tell. */
export interface Sender {
  account(id: string, input: AccountInput): Promise<unknown>
  invoice(id: string, input: InvoiceInput): Promise<unknown>
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
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** One message outside the steady rate, with the same accounting. Gives its id. */
  one(queue: QueueKey, change: { readonly fault?: 'exit' } = {}): string {
    return this.#send(queue, change)
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedAt) * this.plan.ratePerQueue) / 1000)
    while (this.#sent < due) {
      this.#sent++
      for (const queue of QUEUE_KEYS) this.#send(queue, {})
    }
  }

  #send(queue: QueueKey, change: { readonly fault?: 'exit' }): string {
    const index = this.#index++
    const id = `${this.#ledger.tag}${queue}-${index}-${randomUUID().slice(0, 8)}`
    const seconds = this.plan.taskMs / 1000
    this.#ledger.sent(id, queue)
    this.#timeline.count('sent', queue, Date.now())
    const sending =
      queue === 'user'
        ? this.#sender.account(id, { ...accountInput(index, seconds), ...change })
        : this.#sender.invoice(id, { ...invoiceInput(index, seconds), ...change })
    sending.then(
      () => {
        this.#ledger.confirmed(id)
        this.#timeline.count('confirmed', queue, Date.now())
      },
      (error: unknown) => this.#ledger.refused(id, codeOf(error)),
    )
    return id
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : textOf(error).slice(0, 80)

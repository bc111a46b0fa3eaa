/** The demo's handlers: they wait as long as the task asks, like a call to a bank or a mail server, and return. */
import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { AttemptContext, Worker } from 'warren'
import { createAccount, createInvoice } from './tasks.js'

/** Registers the demo's handlers with `worker`. `name` is the worker's name in the results. */
export function addHandlers(worker: Worker, name: string): void {
  worker.handle(createAccount, async ({ seconds, fault }, attempt) => {
    misbehave(fault)
    await work(seconds, attempt)
    return { accountId: numberFrom('A', attempt.id), worker: name }
  })
  worker.handle(createInvoice, async ({ seconds, fault }, attempt) => {
    misbehave(fault)
    await work(seconds, attempt)
    return { invoiceId: numberFrom('INV', attempt.id), worker: name }
  })
}

/** In a drill, a task may kill every worker process that runs it. */
function misbehave(fault: 'exit' | undefined): void {
  if (fault === 'exit' && process.env.WARREN_DRILL === '1') process.kill(process.pid, 'SIGKILL')
}

/** Stands for the real work. Ends early, by throwing, when the attempt is aborted. */
async function work(seconds: number, attempt: AttemptContext): Promise<void> {
  if (seconds > 0) await wait(seconds * 1000, undefined, { signal: attempt.signal })
}

/** The same task id always returns the same number, so a repeated attempt creates nothing twice. */
function numberFrom(prefix: string, id: string): string {
  const digits = createHash('sha256').update(id).digest().readUIntBE(0, 6) % 10_000_000_000
  return `${prefix}-${String(digits).padStart(10, '0')}`
}

/** What the demo's workers do: wait as long as the task says, the way a call to a bank or a mail server would, and answer. */
import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { AttemptContext, Worker } from 'warren'
import { createAccount, createInvoice } from './tasks.js'

/** Registers the demo's handlers with `worker`. `name` is the worker's name in their results. */
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

/** In a drill, a task may kill every worker process it meets. */
function misbehave(fault: 'exit' | undefined): void {
  if (fault === 'exit' && process.env.WARREN_DRILL === '1') process.kill(process.pid, 'SIGKILL')
}

/** Stands for the real work. Ends early, by throwing, when the attempt is aborted. */
async function work(seconds: number, attempt: AttemptContext): Promise<void> {
  if (seconds > 0) await wait(seconds * 1000, undefined, { signal: attempt.signal })
}

/** The same task id gives the same number, so that an attempt which runs twice creates nothing twice. */
function numberFrom(prefix: string, id: string): string {
  const digits = createHash('sha256').update(id).digest().readUIntBE(0, 6) % 10_000_000_000
  return `${prefix}-${String(digits).padStart(10, '0')}`
}

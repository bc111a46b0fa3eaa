/**
 * One run of the demo's client: sends N tasks, waits for their results, and reports how they ended. `warren client` and
 * `npm start`'s first burst run this code.
 *
 * Ctrl-C (the signal) ends it with a summary: in a single round, tasks are still open; for `--repeat-after`, which has no other
 * end, it is the normal end.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { type Task, textOf, type Warren, WarrenError } from 'warren'
import { aborted } from './aborted.js'
import type { ClientOptions } from './clientArguments.js'
import { accountInput, durations, invoiceInput } from './payloads.js'
import { Progress, type ProgressStream } from './progress.js'
import { ResultWatch } from './resultWatch.js'
import { createAccount, createInvoice } from './tasks.js'

/** How long the client waits without any result before it gives up: twice the demo's one-minute TTL. */
const STALL_MS = 120_000
/** When a result counts as unanswered with `--repeat-after`: later than any queue's TTL, plus the task itself. */
const GIVE_UP_MS = 150_000
/** How many results `--repeat-after` keeps waiting for; the oldest beyond it count as unanswered. */
const MAX_OPEN = 200_000
/** How long the client waits at its end for a broker or store that does not answer. */
export const CLOSE_MS = 2_000
/** How many distinct errors are listed separately; the rest are counted together. */
const MAX_ERRORS = 20

export interface ClientOutput {
  /** Receives facts, one line each. */
  readonly line: (text: string) => void
  /** Receives progress. */
  readonly progress: ProgressStream
}

export interface ClientSummary {
  readonly task: string
  /** Confirmed by the broker. */
  readonly sent: number
  /** Not confirmed, or refused, after all tries. */
  readonly notSent: number
  readonly succeeded: number
  readonly failed: number
  /** Given up: no result in time. Their messages may have expired. */
  readonly unanswered: number
  /** Still open when the client ended. */
  readonly open: number
  readonly sendSeconds: number
  readonly totalSeconds: number
  /** Distinct errors and how often each occurred. */
  readonly errors: Readonly<Record<string, number>>
  /** Why it ended before all results were in. */
  readonly endedEarly?: 'interrupted' | 'timeout' | 'stalled'
}

/** Runs the client on an open connection. Resolves with what happened; `exitCode` turns that into 0 or 1. */
export async function runClient(
  warren: Warren,
  options: ClientOptions,
  output: ClientOutput,
  signal: AbortSignal = new AbortController().signal,
): Promise<ClientSummary> {
  const run = new ClientRun(warren, options, output)
  return run.run(signal)
}

export function exitCode(summary: ClientSummary, options: Pick<ClientOptions, 'repeatAfter'>): 0 | 1 {
  if (options.repeatAfter !== undefined && summary.endedEarly === 'interrupted') return 0
  return summary.succeeded === summary.sent && summary.notSent === 0 && summary.endedEarly === undefined ? 0 : 1
}

const secondsSince = (start: number): number => (performance.now() - start) / 1000
const count = (value: number): string => value.toLocaleString('en-US')

class ClientRun {
  readonly #warren: Warren
  readonly #options: ClientOptions
  readonly #output: ClientOutput
  readonly #progress: Progress
  readonly #watch: ResultWatch
  readonly #errors = new Map<string, number>()
  readonly #taskName: string
  #sent = 0
  #notSent = 0
  #sending = true
  #sendSeconds = 0
  #start = 0

  constructor(warren: Warren, options: ClientOptions, output: ClientOutput) {
    this.#warren = warren
    this.#options = options
    this.#output = output
    this.#taskName = options.quorum ? createInvoice.name : createAccount.name
    this.#progress = new Progress(output.progress)
    const task = options.quorum ? createInvoice : createAccount
    this.#watch = new ResultWatch({
      result: (id, each) => warren.handle(task as Task, id).result({ signal: each }),
      onChange: () => this.#showProgress(),
      onError: (error) => this.#countError(error),
      ...(options.repeatAfter === undefined
        ? {}
        : { giveUpMs: GIVE_UP_MS + 2 * options.seconds * 1000, maxOpen: MAX_OPEN }),
    })
  }

  async run(signal: AbortSignal): Promise<ClientSummary> {
    this.#start = performance.now()
    let endedEarly: ClientSummary['endedEarly']
    const end = new AbortController()
    const stop = (why: ClientSummary['endedEarly']) => {
      endedEarly ??= why
      end.abort()
    }
    const interrupt = () => stop('interrupted')
    if (signal.aborted) interrupt()
    signal.addEventListener('abort', interrupt, { once: true })
    const timers: NodeJS.Timeout[] = []
    if (this.#options.timeout !== undefined) {
      timers.push(setTimeout(() => stop('timeout'), this.#options.timeout * 1000))
    }
    try {
      if (this.#options.repeatAfter === undefined) await this.#sendRound(0, end.signal)
      else await this.#repeat(this.#options.repeatAfter, end.signal)
      this.#sending = false
      timers.push(this.#onStall(() => stop('stalled')))
      await Promise.race([this.#watch.done(), aborted(end.signal)])
    } finally {
      for (const timer of timers) clearInterval(timer)
      signal.removeEventListener('abort', interrupt)
      this.#progress.clear()
      this.#watch.close()
    }
    const summary = this.#summary(endedEarly)
    this.#report(summary)
    return summary
  }

  /** Sends rounds at a steady pace, measured from start to start; a round that took longer is followed at once. */
  async #repeat(everySeconds: number, signal: AbortSignal): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      const started = performance.now()
      await this.#sendRound(round, signal)
      const rest = everySeconds * 1000 - (performance.now() - started)
      if (rest > 0) await wait(rest, undefined, { signal }).catch(() => {})
    }
  }

  async #sendRound(round: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { count: total, seconds, random, quorum } = this.#options
    const duration = durations(seconds, random)
    const callbacks = {
      signal,
      onSent: ({ id }: { readonly id: string }) => {
        this.#sent++
        this.#watch.add(id)
        this.#showProgress()
      },
      onFailed: (error: unknown) => {
        this.#notSent++
        this.#countError(error)
      },
    }
    const sending = quorum
      ? this.#warren.sendMany(createInvoice, inputs(total, round, duration, invoiceInput), callbacks)
      : this.#warren.sendMany(createAccount, inputs(total, round, duration, accountInput), callbacks)
    // After Ctrl-C it waits for the confirms of messages in flight, but an unreachable broker must not delay the end.
    await Promise.race([sending, aborted(signal).then(() => wait(CLOSE_MS, undefined, { ref: false }))])
    this.#sendSeconds = secondsSince(this.#start)
    this.#reportRound(round)
  }

  /** Calls back when no result has arrived for so long that none is likely to. */
  #onStall(callback: () => void): NodeJS.Timeout {
    const { seconds, random } = this.#options
    const limit = Math.max(STALL_MS, (random ? 2 : 1) * seconds * 1000 + 60_000)
    const since = Date.now()
    return setInterval(() => {
      if (Date.now() - Math.max(since, this.#watch.lastResultAt) >= limit) callback()
    }, 1_000)
  }

  /** Groups errors by their text, without the ids in it. */
  #countError(error: unknown): void {
    const code = error instanceof WarrenError ? `${error.code}: ` : ''
    const text = `${code}${textOf(error)}`.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…').replaceAll(/\s+/g, ' ')
    const key = this.#errors.has(text) || this.#errors.size < MAX_ERRORS ? text : 'other errors'
    this.#errors.set(key, (this.#errors.get(key) ?? 0) + 1)
  }

  #showProgress(): void {
    if (this.#options.json && this.#output.progress.isTTY !== true) return
    const { succeeded, failed, unanswered, open, ended } = this.#watch
    const bad = failed + unanswered + this.#notSent
    const { count: total, repeatAfter } = this.#options
    if (repeatAfter !== undefined) {
      const note = `${count(succeeded)} SUCCESS, ${count(failed)} failed, ${count(unanswered)} unanswered, ${count(open)} open`
      this.#progress.update({ label: 'Sent', done: this.#sent, total: undefined, note })
      return
    }
    const note = bad === 0 ? {} : { note: `${count(bad)} failed` }
    // During sending, the bar shows sent tasks; results that arrive in that time are shown right afterwards.
    if (this.#sending) this.#progress.update({ label: 'Sent', done: this.#sent, total, ...note })
    else this.#progress.update({ label: 'Finished', done: ended, total: this.#sent, ...note })
  }

  #line(text: string): void {
    this.#progress.clear()
    this.#output.line(text)
  }

  #reportRound(round: number): void {
    const { json, time, repeatAfter } = this.#options
    const { succeeded, failed, unanswered } = this.#watch
    if (json) {
      const facts = { event: 'sent', round, task: this.#taskName, sent: this.#sent, notSent: this.#notSent }
      this.#line(JSON.stringify({ ...facts, succeeded, failed, unanswered, seconds: round3(this.#sendSeconds) }))
    } else if (time && (repeatAfter === undefined || round === 0)) {
      this.#line(`Finished sending tasks after ${this.#sendSeconds.toFixed(2)}s`)
    }
  }

  #summary(endedEarly: ClientSummary['endedEarly']): ClientSummary {
    return {
      task: this.#taskName,
      sent: this.#sent,
      notSent: this.#notSent,
      succeeded: this.#watch.succeeded,
      failed: this.#watch.failed,
      unanswered: this.#watch.unanswered,
      open: this.#watch.open,
      sendSeconds: round3(this.#sendSeconds),
      totalSeconds: round3(secondsSince(this.#start)),
      errors: Object.fromEntries(this.#errors),
      ...(endedEarly === undefined ? {} : { endedEarly }),
    }
  }

  #report(summary: ClientSummary): void {
    const { sent, notSent, succeeded, failed, unanswered, open, totalSeconds, endedEarly } = summary
    if (this.#options.json) {
      if (endedEarly === undefined) this.#line(JSON.stringify({ event: 'finished', seconds: totalSeconds }))
      this.#line(JSON.stringify({ event: 'summary', ...summary }))
      return
    }
    if (this.#options.time && endedEarly === undefined) this.#line(`All tasks finished in ${totalSeconds.toFixed(2)}s`)
    const parts = [`${count(sent)} sent`, `${count(succeeded)} SUCCESS`, `${count(failed)} failed`]
    if (unanswered > 0) parts.push(`${count(unanswered)} unanswered`)
    if (open > 0) parts.push(`${count(open)} without a result yet`)
    if (notSent > 0) parts.push(`${count(notSent)} not sent`)
    this.#line(`${this.#taskName}: ${parts.join(', ')}, in ${totalSeconds.toFixed(2)} s`)
    for (const [text, times] of Object.entries(summary.errors)) this.#line(`  ${count(times)} × ${text}`)
    const expired = `their messages may have expired: see ${this.#options.quorum ? 'payment' : 'user'}.dlq`
    if (endedEarly === 'stalled')
      this.#line(`Gave up: no result arrived for a long time, and ${count(open)} are missing; ${expired}`)
    if (endedEarly === 'timeout')
      this.#line(`Gave up after --timeout ${this.#options.timeout} s with ${count(open)} results missing`)
    if (unanswered > 0) this.#line(`Unanswered: ${expired}`)
  }
}

const round3 = (value: number): number => Math.round(value * 1000) / 1000

function* inputs<Input>(
  total: number,
  round: number,
  duration: () => number,
  make: (index: number, seconds: number) => Input,
): Generator<Input> {
  for (let index = 0; index < total; index++) yield make(round * total + index, duration())
}

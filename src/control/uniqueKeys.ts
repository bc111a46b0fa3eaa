/**
 * Unique keys in the store, for those who send and those who run. What a key holds is described in `uniqueScripts.ts`.
 *
 * A key is claimed before its message is published, and the claim is confirmed afterwards, so that nobody gets the
 * handle of a task that is in no queue. While a claim is pending, others wait. Where its sender died, or does not know
 * whether the broker has the message, the next one adopts the claim: it publishes under the same id, and if there are
 * two copies of the message then, one is run (`onceClaims.ts`). So a key is never kept for a task that nobody sends.
 */
import { randomBytes } from 'node:crypto'
import { jittered } from '../amqp/backoff.js'
import { MessageError, UnconfirmedError, UniqueConflictError } from '../errors/index.js'
import type { Results } from '../results/store.js'
import { pause } from '../timers.js'
import { uniqueKey } from '../wire/names.js'
import { isFinal } from '../wire/resultFormat.js'
import type { UniqueMark, UniqueUntil } from '../wire/uniqueMark.js'
import type { Unique } from './uniqueOptions.js'
import { BEGIN, CLAIM, CONFIRM, EXTEND, FAIL, HOLDER, KEEP, PENDING, RELEASE } from './uniqueScripts.js'

/** How long a claim is good for unless its sender extends it: what others wait for at most when that one has died. */
export const PENDING_MS = 5_000
/** How often those who wait for another's claim look again. */
const LOOK_INITIAL_MS = 10
const LOOK_MAX_MS = 250
/** How long whoever sends waits for the store. */
const STORE_MS = 10_000

/** What is sent under a key. */
export interface UniqueTask {
  readonly task: string
  readonly id: string
  /** As in `Envelope.run`. */
  readonly run: number
  readonly unique: Unique
  /** How long the message waits before it is due. */
  readonly delayMs: number
  /** How long to wait for the claim of another sender; `Infinity` for as long as it takes. */
  readonly limitMs: number
}

/** The key is this sender's, who publishes now, under `id`, and says then what came of it. */
export interface UniqueClaim {
  /** The id to publish under: the sender's own, or that of the claim that it has adopted. */
  readonly id: string
  /** The run to publish. Above 0 also for what was adopted, since it may have been published before. */
  readonly run: number
  readonly mark: UniqueMark
  /** The broker has confirmed the message. Never rejects: who comes next adopts what could not be confirmed here. */
  confirmed(): Promise<void>
  /** It was not published, or, if `unsure`, nobody knows. Never rejects. */
  failed(unsure: boolean): Promise<void>
}

/** What a worker learns before it runs a task. */
export type Begun = { readonly kind: 'held' | 'other' } | { readonly kind: 'replaced'; readonly by: string }

interface Answer {
  readonly what: 'mine' | 'replaces' | 'older' | 'held' | 'pending' | 'lapsed'
  readonly holder: string
  readonly run: string
  readonly until: string
  readonly seq: number
}

interface Known {
  readonly id: string
  readonly run: string
}

const untilName = (until: UniqueUntil): string => (typeof until === 'number' ? 'time' : until)

export class UniqueKeys {
  readonly #results: Results
  readonly #vhost: string
  /** What those in this process wait for who found a pending claim, by the name of the key. */
  readonly #decisions = new Map<string, Promise<void>>()

  /** Two virtual hosts may share a store, and have tasks of the same names. */
  constructor(results: Results, vhost: string) {
    this.#results = results
    this.#vhost = vhost
  }

  /**
   * Claims the key, or returns the id of the task that holds it. Waits while another sender's claim is pending. Throws
   * `UniqueConflictError`, `UnconfirmedError`, and what `Results.ask` throws.
   */
  async claim(sent: UniqueTask): Promise<UniqueClaim | string> {
    const { task, unique, limitMs } = sent
    const token = randomBytes(9).toString('base64url')
    const startedAt = performance.now()
    let adopting: Known | undefined
    let ended: Known | undefined
    for (;;) {
      const answer = await this.#ask(sent, token, { adopting, ended })
      const { what, holder, run, until } = answer
      if (what === 'mine' || what === 'replaces') return this.#claimed(sent, token, answer, adopting !== undefined)
      adopting = undefined
      const before = ended
      ended = undefined
      if (what !== 'pending' && until !== 'time' && !(before?.id === holder && before.run === run)) {
        if (await this.#hasEnded(holder, Number(run))) {
          ended = { id: holder, run }
          continue
        }
      }
      if (what === 'lapsed') {
        adopting = { id: holder, run }
        continue
      }
      if (what === 'held' || what === 'older') {
        if (unique.onConflict === 'reject') throw new UniqueConflictError(task, unique.key, holder)
        return holder
      }
      const leftMs = limitMs - (performance.now() - startedAt)
      if (leftMs <= 0) {
        const problem = `another sender's message under its unique key ${JSON.stringify(unique.key)} is not confirmed either`
        throw new UnconfirmedError(sent.id, limitMs, false, problem)
      }
      await this.#untilDecided(this.#name(task, unique.key), leftMs)
    }
  }

  /** The id of the task that holds a key, if any. */
  async holder(task: string, key: string): Promise<string | undefined> {
    const id = await this.#results.ask((commands) => HOLDER(commands, this.#name(task, key)))
    return typeof id === 'string' && id !== '' ? id : undefined
  }

  /** A worker is about to run the task. */
  async begin(task: string, id: string, run: number, mark: UniqueMark): Promise<Begun> {
    const given = taskArguments(id, run, mark, mark.ttlMs)
    const answer = await this.#results.ask((commands) => BEGIN(commands, this.#name(task, mark.key), ...given))
    const [kind, by] = answer as ['held' | 'other' | 'replaced', string]
    return kind === 'replaced' ? { kind, by } : { kind }
  }

  /** The task is run, or comes back in `delayMs`: its key is kept for that long, and its TTL. */
  async keep(task: string, id: string, mark: UniqueMark, delayMs: number): Promise<void> {
    const ttlMs = Math.ceil(delayMs + mark.ttlMs)
    await this.#results.ask((commands) => KEEP(commands, this.#name(task, mark.key), id, ttlMs))
  }

  /** A run of a task has ended, and any earlier one. `always`: also where it was to keep the key for a time. */
  async release(
    task: string,
    key: string,
    { id, run, always }: { readonly id: string; readonly run: number; readonly always: boolean },
  ): Promise<void> {
    await this.#results.ask((commands) => RELEASE(commands, this.#name(task, key), id, run, always ? 1 : 0))
  }

  #name(task: string, key: string): string {
    return uniqueKey(this.#vhost, task, key)
  }

  async #ask(
    { task, id, run, unique, delayMs, limitMs }: UniqueTask,
    token: string,
    { adopting, ended }: { readonly adopting: Known | undefined; readonly ended: Known | undefined },
  ): Promise<Answer> {
    const { key, until, onConflict, version } = unique
    const given = [
      adopting?.id ?? id,
      // An adopted task is sent again under an id that was sent before.
      adopting === undefined ? run : Math.max(Number(adopting.run), Date.now()),
      token,
      PENDING_MS,
      keptMs(unique, delayMs),
      untilName(until),
      version ?? '',
      onConflict === 'replace' ? 1 : 0,
      ended?.id ?? '',
      ended?.run ?? '',
      adopting === undefined ? 0 : 1,
    ]
    const answer = await this.#results.ask(
      (commands) => CLAIM(commands, this.#name(task, key), ...given),
      Math.min(limitMs, STORE_MS),
    )
    const [what, holder, heldRun, heldUntil, seq] = answer as [Answer['what'], string, string, string, string]
    return { what, holder, run: heldRun, until: heldUntil, seq: Number(seq) }
  }

  /** Waits until a pending claim is decided, or `ms`. All who wait for one claim here look together. */
  async #untilDecided(name: string, ms: number): Promise<void> {
    let decision = this.#decisions.get(name)
    if (decision === undefined) {
      decision = this.#decided(name).finally(() => this.#decisions.delete(name))
      this.#decisions.set(name, decision)
    }
    const over = new AbortController()
    await Promise.race([decision, pause(ms, over.signal)])
    over.abort()
  }

  async #decided(name: string): Promise<void> {
    for (let looks = 0; ; looks++) {
      await pause(jittered(LOOK_INITIAL_MS, looks, LOOK_MAX_MS))
      // What goes wrong here is told by the next claim.
      const pending = await this.#results.ask((commands) => PENDING(commands, name)).catch(() => 0)
      if (pending === 0) return
    }
  }

  /** Whether the task needs its key no more, although nobody has released it. */
  async #hasEnded(id: string, run: number): Promise<boolean> {
    try {
      const result = await this.#results.get(id, { timeoutMs: STORE_MS })
      if (result === undefined || !isFinal(result.status)) return false
      // What an earlier run left says nothing of this one, unless the work is done.
      return result.status === 'SUCCESS' || (result.run ?? run) >= run
    } catch (error) {
      if (error instanceof MessageError) return false
      throw error
    }
  }

  #claimed(sent: UniqueTask, token: string, { what, holder, run, seq }: Answer, adopted: boolean): UniqueClaim {
    const { unique, delayMs } = sent
    const { key, until, ttlMs, version, onConflict } = unique
    const mark: UniqueMark = { key, until, ttlMs, seq, version, replace: onConflict === 'replace' }
    const pending = what === 'mine'
    const [id, runs] = pending ? [holder, Number(run)] : [sent.id, sent.run]
    const name = this.#name(sent.task, key)
    const extending = pending ? setInterval(() => void extend(PENDING_MS), PENDING_MS / 3) : undefined
    extending?.unref()
    const quietly = async (ask: Parameters<Results['ask']>[0]): Promise<void> =>
      void (await this.#results.ask(ask, STORE_MS).catch(() => undefined))
    const extend = (leaseMs: number): Promise<void> => quietly((commands) => EXTEND(commands, name, id, token, leaseMs))
    return {
      id,
      run: runs,
      mark,
      confirmed: () => {
        clearInterval(extending)
        const given = taskArguments(id, runs, mark, keptMs(unique, delayMs))
        return quietly((commands) => CONFIRM(commands, name, ...given))
      },
      failed: async (unsure) => {
        clearInterval(extending)
        if (!pending) return
        // An earlier copy may be in a queue under the id that was adopted.
        if (unsure || adopted) await extend(0)
        else await quietly((commands) => FAIL(commands, name, id, token))
      },
    }
  }
}

/** How long the key is kept from now on, unless it is renewed. */
const keptMs = ({ until, ttlMs }: Unique, delayMs: number): number =>
  typeof until === 'number' ? until : Math.ceil(delayMs + ttlMs)

const taskArguments = (id: string, run: number, { seq, version, until, replace }: UniqueMark, ttlMs: number) =>
  [id, run, seq, version ?? '', untilName(until), ttlMs, replace ? 1 : 0] as const

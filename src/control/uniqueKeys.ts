/**
 * Unique keys in the store, for senders and workers. `uniqueScripts.ts` describes the content of a key.
 *
 * A key is claimed before its message is published, and the claim is confirmed afterwards, so that no caller gets the handle of
 * a task that is in no queue. While a claim is pending, other senders wait. If its sender died, or does not know whether the
 * broker has the message, the next sender adopts the claim: it publishes under the same id, and if that results in two copies,
 * they run one at a time (`onceClaims.ts`). So a key is never held by a task that is not sent.
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

/** How long a claim is valid unless its sender extends it: the maximum wait for others if that sender has died. */
export const PENDING_MS = 5_000
/** How often waiting senders check another sender's claim. */
const LOOK_INITIAL_MS = 10
const LOOK_MAX_MS = 250
/** How long a sender waits for the store. */
const STORE_MS = 10_000

/** The task sent under a key. */
export interface UniqueTask {
  readonly task: string
  readonly id: string
  /** As in `Envelope.run`. */
  readonly run: number
  readonly unique: Unique
  /** How long the message waits before it is due. */
  readonly delayMs: number
  /** How long to wait for another sender's claim; `Infinity` for no limit. */
  readonly limitMs: number
}

/** The key belongs to this sender, which publishes now, under `id`, and then reports the outcome. */
export interface UniqueClaim {
  /** The id to publish under: the sender's own, or that of the claim that it has adopted. */
  readonly id: string
  /** The run to publish. Also above 0 for an adopted claim, because its message may have been published before. */
  readonly run: number
  readonly mark: UniqueMark
  /** The broker has confirmed the message. Never rejects: the next sender adopts a claim that could not be confirmed here. */
  confirmed(): Promise<void>
  /** It was not published, or, if `unsure`, that is unknown. Never rejects. */
  failed(unsure: boolean): Promise<void>
}

/** The answer for a worker before it runs a task. */
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
  /** The shared waits of this process's senders for pending claims, by the name of the key. */
  readonly #decisions = new Map<string, Promise<void>>()

  /** Two virtual hosts may share a store, and have tasks of the same names. */
  constructor(results: Results, vhost: string) {
    this.#results = results
    this.#vhost = vhost
  }

  /**
   * Claims the key, or returns the id of the task that holds it. Waits while another sender's claim is pending. Throws
   * `UniqueConflictError`, `UnconfirmedError`, and the errors of `Results.ask`.
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

  /** The task is running, or returns in `delayMs`: its key is kept for that time plus its TTL. */
  async keep(task: string, id: string, mark: UniqueMark, delayMs: number): Promise<void> {
    const ttlMs = Math.ceil(delayMs + mark.ttlMs)
    await this.#results.ask((commands) => KEEP(commands, this.#name(task, mark.key), id, ttlMs))
  }

  /** A run of a task has ended, and any earlier one. `always`: also if it should keep the key for a time. */
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

  /** Waits until a pending claim is decided, or `ms`. All waits for one claim in this process share the checks. */
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
      // Errors here are reported by the next claim.
      const pending = await this.#results.ask((commands) => PENDING(commands, name)).catch(() => 0)
      if (pending === 0) return
    }
  }

  /** Whether the task no longer needs its key, although it was not released. */
  async #hasEnded(id: string, run: number): Promise<boolean> {
    try {
      const result = await this.#results.get(id, { timeoutMs: STORE_MS })
      if (result === undefined || !isFinal(result.status)) return false
      // The state of an earlier run does not apply to this one, unless the work is done.
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

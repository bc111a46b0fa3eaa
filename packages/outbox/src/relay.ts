/**
 * Publishes committed messages: claims rows, publishes each, and deletes those that the broker has confirmed. It owns the
 * claims of this process, and their outcomes until they are in the database.
 *
 *     free ──claim──▶ in flight ──confirmed──▶ deleted
 *      ▲                 │  │
 *      │                 │  └─ never to be published, or refused too often ──▶ set aside, with the reason
 *      └─ after a delay ─┘     (unconfirmed, refused)
 *
 * Whatever dies wherever, a row that was not deleted becomes free again when its claim ends, and is then published once
 * more under its id: the worker's side drops what is done. So no row is lost, and there is no order. A claim ends by the
 * database's clock alone. While the broker is away a relay holds a handful of rows; they and all others wait in the table.
 */
import { randomUUID } from 'node:crypto'
import { is, type Logger, type Warren } from 'warren'
import { checkClient, rowsOf, type Sql } from './client.js'
import { OutboxError } from './errors.js'
import { type Listen, listen } from './listen.js'
import { reporter } from './log.js'
import { settle } from './options.js'
import { Outcomes } from './outcomes.js'
import type { Statements } from './schema.js'
import { pause } from './timing.js'
import { textOf, type Verdict, verdictOf } from './verdict.js'

export interface RelayOptions {
  /** Preferably a pool: each statement runs on its own. Not a client in a transaction. */
  readonly db: Sql
  /** Used for publishing: only `publishPrepared` is called. Close the relay before it. */
  readonly warren: Pick<Warren, 'publishPrepared'>
  /** How many rows one statement claims at most. Twice as many are in flight. Default 200. */
  readonly batchSize?: number | undefined
  /** How often it checks for rows while there are none, in milliseconds. Default 500. */
  readonly pollMs?: number | undefined
  /** A client for notifications, so that it checks at once. Needs `notify: true` of the outbox. Default: none. */
  readonly listen?: Listen | undefined
  /** How long one publish may take, in milliseconds, before the row is retried later. Default 10,000. */
  readonly confirmTimeoutMs?: number | undefined
  /**
   * How long a claim holds, in milliseconds: so long the rows of a relay that died wait for another one. At least
   * `confirmTimeoutMs` and 5,000 more. Default 30,000.
   */
  readonly claimMs?: number | undefined
  /**
   * How often a row is tried that RabbitMQ refuses, such as one that no queue takes, before it is set aside. That the
   * broker is away counts for nothing. Default 10: about four minutes.
   */
  readonly maxAttempts?: number | undefined
  /** The delay before a row is tried again, in milliseconds, doubled each time. Default 1,000, and at most 60,000. */
  readonly retryDelayMs?: number | undefined
  readonly maxRetryDelayMs?: number | undefined
  /** How long `close()` waits for what is in flight, in milliseconds. Default 15,000. */
  readonly gracePeriodMs?: number | undefined
  /** Called for each row that was set aside. What it throws is logged. */
  readonly onSetAside?: ((row: SetAside) => void) | undefined
  /** A logger of pino's call shape; `false` for none. Default: JSON lines on standard error. */
  readonly logger?: Logger | false | undefined
}

export interface SetAside {
  readonly id: string
  readonly task: string
  readonly code: string
  readonly reason: string
}

export interface RelayStats {
  /** Messages that were confirmed and deleted, since the start. */
  readonly published: number
  /** Publications that are to be tried again: unconfirmed or refused. */
  readonly postponed: number
  readonly setAside: number
  /** Rows that this relay has claimed and not yet written down an end of. */
  readonly inFlight: number
  /** What went wrong last with the database or the broker; undefined once both answer again. */
  readonly problem: string | undefined
}

interface Claimed {
  readonly position: string
  readonly id: string
  readonly task: string
  readonly message: string
  readonly attempts: number
  readonly refusals: number
}

/** How many rows are claimed while the broker does not confirm: enough to notice that it does again. */
const TRYING_COUNT = 10
const DATABASE_RETRY_MS = 200
const DATABASE_RETRY_MAX_MS = 5_000
/** What a claim has beyond a publication's time limit, for writing down how it ended. */
const CLAIM_MARGIN_MS = 5_000

export class Relay {
  readonly #statements: Statements
  readonly #options: ReturnType<typeof settleRelay>
  readonly #report: ReturnType<typeof reporter>
  readonly #outcomes: Outcomes
  /** Whose claims these are. */
  readonly #name = randomUUID()
  readonly #stopping = new AbortController()
  /** Ends the pause of the loop. */
  #wake = new AbortController()
  #inFlight = 0
  /** The broker has not confirmed the last one: fewer are tried until it does. */
  #trying = false
  #postponed = 0
  #asideCount = 0
  #databaseProblem: string | undefined
  #brokerProblem: string | undefined
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #unlisten: (() => Promise<void>) | undefined

  /** Does no I/O. Use `outbox.relay()`. */
  constructor(statements: Statements, options: RelayOptions) {
    this.#statements = statements
    this.#options = settleRelay(options)
    checkClient(this.#options.db)
    this.#report = reporter(this.#options.logger)
    this.#outcomes = new Outcomes({
      statements,
      db: this.#options.db,
      owner: this.#name,
      written: (count) => this.#written(count),
      failed: (error) => this.#databaseFailed(error),
    })
  }

  /** Starts publishing. Throws `OutboxError` when the tables are not there, or what your client throws. */
  async start(): Promise<void> {
    if (this.#closing !== undefined) throw new OutboxError('RELAY_CLOSED', 'The relay is closed: create a new one')
    if (this.#running !== undefined) return
    // Set before the first wait, so that two calls start one loop.
    let begin = (): void => undefined
    this.#running = new Promise<void>((resolve) => (begin = resolve)).then(() => this.#run())
    try {
      await this.#checkTable()
      const { listen: to } = this.#options
      if (to !== undefined) this.#unlisten = await listen(to, this.#statements.channel, () => this.wake())
    } catch (error) {
      this.#stopping.abort()
      begin()
      this.#running = undefined
      this.#closing = Promise.resolve()
      throw error
    }
    begin()
  }

  /** Checks for rows now, for callers that know that there are some. */
  wake(): void {
    this.#wake.abort()
  }

  stats(): RelayStats {
    return {
      published: this.#outcomes.removed,
      postponed: this.#postponed,
      setAside: this.#asideCount,
      inFlight: this.#inFlight,
      problem: this.#databaseProblem ?? this.#brokerProblem,
    }
  }

  /**
   * Claims nothing more, and waits until what is in flight has ended and is written down. What has not by then is free
   * for other relays when its claim ends. Safe twice, and unstarted.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#stopping.abort()
    this.wake()
    await this.#running
    const over = AbortSignal.timeout(this.#options.gracePeriodMs)
    while (this.#inFlight > 0 && !over.aborted) await this.#nothingNew(over)
    this.#outcomes.close()
    await this.#unlisten?.().catch((error: unknown) => this.#report.warn('listening could not be ended', error))
    if (this.#inFlight === 0) return
    this.#report.warn(`closed with ${this.#inFlight} messages unsettled: they are published again in a while`)
  }

  async #checkTable(): Promise<void> {
    try {
      await rowsOf(this.#options.db, this.#statements.check)
    } catch (error) {
      throw new OutboxError(
        'NO_TABLE',
        `The outbox's tables cannot be used: ${textOf(error)}. Create them: \`await outbox.migrate(db)\`, or put the SQL of \`outbox.migration()\` among your migrations`,
        { cause: error },
      )
    }
  }

  /** Claims as long as there are rows and room. Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted) {
      // Not as fast as the broker, or a Warren that was closed, refuses.
      if (this.#trying) await pause(this.#options.pollMs, signal)
      const room = this.#room()
      if (room <= 0) {
        await this.#nothingNew(signal)
        continue
      }
      try {
        const rows = await this.#claim(room)
        failures = 0
        if (!this.#outcomes.failing) this.#databaseProblem = undefined
        for (const row of rows) void this.#publish(row)
        // There is no more for the moment.
        if (rows.length < room) await this.#nothingNew(signal, this.#options.pollMs)
      } catch (error) {
        this.#databaseFailed(error)
        await pause(Math.min(DATABASE_RETRY_MS * 2 ** failures++, DATABASE_RETRY_MAX_MS), signal)
      }
    }
  }

  /** How many rows to claim now. In halves at least, not one for each that ends. */
  #room(): number {
    const { batchSize } = this.#options
    const [most, window] = this.#trying ? [TRYING_COUNT, TRYING_COUNT] : [batchSize, 2 * batchSize]
    const room = Math.min(most, batchSize, window - this.#inFlight)
    return room * 2 >= Math.min(most, batchSize) || this.#inFlight === 0 ? room : 0
  }

  /** Resolves when something has ended, when it is woken, and after `ms`. */
  async #nothingNew(signal: AbortSignal, ms = Number.POSITIVE_INFINITY): Promise<void> {
    const wake = this.#wake.signal
    if (!wake.aborted) await pause(ms, wake, signal)
    if (this.#wake.signal.aborted) this.#wake = new AbortController()
  }

  async #claim(count: number): Promise<Claimed[]> {
    const { db, claimMs } = this.#options
    const rows = await rowsOf(db, this.#statements.claim, [this.#name, String(claimMs), String(count)])
    return rows.map((row) => ({
      position: String(row.position),
      id: String(row.id),
      task: String(row.task),
      message: String(row.message),
      attempts: Number(row.attempts),
      refusals: Number(row.refusals),
    }))
  }

  /** Never rejects. */
  async #publish(row: Claimed): Promise<void> {
    this.#inFlight++
    const { warren, confirmTimeoutMs } = this.#options
    try {
      await warren.publishPrepared(JSON.parse(row.message), { confirmTimeoutMs })
    } catch (error) {
      return this.#ended(row, verdictOf(error))
    }
    this.#trying = false
    this.#brokerProblem = undefined
    this.#outcomes.remove(row.position)
  }

  #ended(row: Claimed, { kind, code, reason }: Verdict): void {
    const { maxAttempts, retryDelayMs, maxRetryDelayMs } = this.#options
    const refusals = row.refusals + (kind === 'refused' ? 1 : 0)
    if (kind === 'hopeless' || refusals >= maxAttempts) {
      const { id, task, position } = row
      this.#asideCount++
      this.#outcomes.setAside(position, code, reason)
      this.#report.error(`set aside ${task} ${id}, which cannot be published: ${reason}`, { id, task, code })
      this.#told({ id, task, code, reason })
      return
    }
    this.#postponed++
    if (kind === 'unconfirmed') {
      this.#trying = true
      this.#brokerProblem = reason
      this.#report.warn(`the broker does not confirm: ${reason}`)
    }
    const delayMs = Math.min(retryDelayMs * 2 ** Math.min(row.attempts, 30), maxRetryDelayMs)
    // Half of it by chance: rows that failed together do not come together.
    this.#outcomes.postpone(row.position, Math.ceil(delayMs * (0.5 + Math.random() / 2)), refusals, reason)
  }

  #told(row: SetAside): void {
    const { onSetAside } = this.#options
    void (async () => onSetAside?.(row))().catch((error: unknown) => this.#report.error('onSetAside failed', { error }))
  }

  /** What ended of this many rows is in the database. */
  #written(count: number): void {
    this.#inFlight -= count
    this.#databaseProblem = undefined
    this.wake()
  }

  #databaseFailed(error: unknown): void {
    this.#databaseProblem = textOf(error)
    this.#report.warn('the database does not answer; trying again', error)
  }
}

const RELAY_DEFAULTS = {
  batchSize: 200,
  pollMs: 500,
  confirmTimeoutMs: 10_000,
  claimMs: 30_000,
  maxAttempts: 10,
  retryDelayMs: 1_000,
  maxRetryDelayMs: 60_000,
  gracePeriodMs: 15_000,
}

function settleRelay(options: RelayOptions) {
  const settled = settle('relay', options, RELAY_CHECKS, RELAY_DEFAULTS, ['db', 'warren'])
  // A claim that ends while its publication may still be confirmed would double every message of a slow broker.
  const least = settled.confirmTimeoutMs + CLAIM_MARGIN_MS
  const { claimMs } = settle(
    'relay',
    options.claimMs === undefined ? {} : { claimMs: options.claimMs },
    { claimMs: is.integer(least) },
    { claimMs: Math.max(RELAY_DEFAULTS.claimMs, least) },
  )
  return { ...settled, claimMs }
}

const anything = Object.assign((value: unknown) => (value === null ? 'given' : undefined), { secret: true })

const RELAY_CHECKS = {
  db: anything,
  warren: Object.assign(
    (value: unknown) =>
      typeof (Object(value) as { publishPrepared?: unknown }).publishPrepared === 'function'
        ? undefined
        : 'what connect() of warren resolves with',
    { secret: true },
  ),
  batchSize: is.integer(1, 5_000),
  pollMs: is.integer(10, 2 ** 31 - 1),
  listen: anything,
  confirmTimeoutMs: is.integer(1, 2 ** 30),
  claimMs: is.integer(1, 2 ** 31 - 1),
  maxAttempts: is.integer(1),
  retryDelayMs: is.integer(1),
  maxRetryDelayMs: is.integer(1),
  gracePeriodMs: is.integer(0, 2 ** 31 - 1),
  onSetAside: is.callback,
  logger: anything,
}

/**
 * The outbox: `send` writes a message into a table with your transaction, and a relay publishes it once that is committed. A
 * task that is rolled back is never sent; a committed one is sent at least once, and runs once unless its worker dies during
 * it.
 */
import { checkOptions, is, type PrepareOptions, prepare, type Task } from 'warren'
import { checkClient, rowsOf, type Sql } from './client.js'
import { settle } from './options.js'
import { counts, type FailedMessage, failedMessage, type OutboxCounts } from './records.js'
import { Relay, type RelayOptions } from './relay.js'
import { isName, Statements } from './schema.js'

export interface OutboxOptions {
  /** The table; there is also `<table>_failed`. Default `warren_outbox`. */
  readonly table?: string | undefined
  /** Its schema. Default: the first of the search path. */
  readonly schema?: string | undefined
  /**
   * Whether `send` notifies relays that `listen`. PostgreSQL serialises the commits of transactions that notify, so leave it
   * off if thousands commit each second. Default false: relays poll every half second.
   */
  readonly notify?: boolean | undefined
  /** The largest message, in bytes: that of the relay's `connect()`. Default 4 MiB. */
  readonly maxMessageBytes?: number | undefined
}

export interface OutboxSent {
  /** The task id, for `warren.handle(task, id)`: set now, whenever the message is published. */
  readonly id: string
  readonly task: string
}

/** How many rows one statement inserts. */
const INSERT_COUNT = 500

export class Outbox {
  readonly #options: OutboxOptions & { readonly notify: boolean }
  readonly #statements: Statements

  /** Does no I/O. */
  constructor(options: OutboxOptions = {}) {
    this.#options = settle('Outbox', options, OUTBOX_CHECKS, { table: 'warren_outbox', notify: false })
    const { table, schema } = this.#options
    this.#statements = new Statements({ table: table as string, schema })
  }

  /** The SQL that creates the tables. Running it again changes nothing, even from several processes at once. */
  migration(): string {
    return this.#statements.migration
  }

  /** Runs `migration()`. Not for a `Sql` function that takes one statement only. */
  async migrate(db: Sql): Promise<void> {
    checkClient(db)
    const { unsafe, query } = db as { unsafe?: (text: string) => unknown; query?: (text: string) => unknown }
    // Without parameters, because clients support several statements only then.
    if (typeof unsafe === 'function') await unsafe.call(db, this.migration())
    else if (typeof query === 'function') await query.call(db, this.migration())
    else
      for (const each of this.migration()
        .split(/;\n/)
        .filter((text) => text.trim() !== ''))
        await rowsOf(db, each)
  }

  /**
   * Checks and encodes one message, and writes it with your transaction: `transaction` is the client that has begun it.
   * Throws what `send` of Warren throws for wrong input (`OptionsError`, `InputError`, `PayloadTooLargeError`), before
   * anything is written, and what your client throws.
   */
  async send<Input, Parsed, Output, Returned>(
    transaction: Sql,
    task: Task<Input, Parsed, Output, Returned>,
    input: NoInfer<Input>,
    options: PrepareOptions = {},
  ): Promise<OutboxSent> {
    const [sent] = await this.#insert(transaction, [await this.#prepared(task, input, options)])
    return sent as OutboxSent
  }

  /** Writes one message for each input, in order, some hundred with one statement. */
  async sendMany<Input, Parsed, Output, Returned>(
    transaction: Sql,
    task: Task<Input, Parsed, Output, Returned>,
    inputs: Iterable<NoInfer<Input>> | AsyncIterable<NoInfer<Input>>,
    options?: (input: NoInfer<Input>, index: number) => PrepareOptions,
  ): Promise<OutboxSent[]> {
    const sent: OutboxSent[] = []
    let next: [string, string, string][] = []
    let index = 0
    for await (const input of inputs) {
      next.push(await this.#prepared(task, input, options?.(input, index++) ?? {}))
      if (next.length < INSERT_COUNT) continue
      sent.push(...(await this.#insert(transaction, next)))
      next = []
    }
    if (next.length > 0) sent.push(...(await this.#insert(transaction, next)))
    return sent
  }

  /**
   * Creates a relay, which publishes the messages. Any number may run, here or in other processes. Does no I/O until `start()`.
   */
  relay(options: RelayOptions): Relay {
    return new Relay(this.#statements, options)
  }

  /** How many messages wait, how old the oldest is, and how many were set aside: for a gauge and an alert. */
  async counts(db: Sql): Promise<OutboxCounts> {
    const [row = {}] = await rowsOf(db, this.#statements.counts)
    return counts(row)
  }

  /** The messages that were set aside, oldest first. */
  async failed(db: Sql, options: { readonly limit?: number | undefined } = {}): Promise<FailedMessage[]> {
    const { limit } = settle('failed', options, { limit: is.integer(1, 100_000) }, { limit: 100 })
    return (await rowsOf(db, this.#statements.listFailed, [String(limit)])).map(failedMessage)
  }

  /**
   * Lets the relays retry messages that were set aside: all of them, or those with these task ids. Resolves with their number.
   */
  async retryFailed(db: Sql, options: { readonly ids?: readonly string[] | undefined } = {}): Promise<number> {
    const { ids } = settle('retryFailed', options, { ids: is.listOf(is.text, 'a list of ids, not empty') }, {})
    const [row] = await rowsOf(db, this.#statements.retryFailed, [ids === undefined ? '' : JSON.stringify(ids)])
    return Number(row?.count ?? 0)
  }

  async #prepared<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    input: NoInfer<Input>,
    options: PrepareOptions,
  ): Promise<[string, string, string]> {
    const { maxMessageBytes } = this.#options
    // PostgreSQL's text holds any character but this one.
    checkOptions('send', { id: options.id }, { id: is.matching(/^[^\0]+$/, 'a non-empty string without U+0000') })
    const prepared = await prepare(task, input, {
      ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
      ...options,
    })
    return [prepared.id, prepared.task, JSON.stringify(prepared)]
  }

  async #insert(transaction: Sql, rows: readonly [string, string, string][]): Promise<OutboxSent[]> {
    const channel = this.#options.notify ? this.#statements.channel : ''
    await rowsOf(transaction, this.#statements.insert, [JSON.stringify(rows), channel])
    return rows.map(([id, task]) => ({ id, task }))
  }
}

const OUTBOX_CHECKS = { table: isName, schema: isName, notify: is.flag, maxMessageBytes: is.integer(1) }

/**
 * Inspects, redrives and purges the dead letters of one queue. Uses AMQP on a connection that is opened for each call and
 * closed at its end, so that it cannot disturb sending or consuming. If a call is interrupted, by a lost connection or a killed
 * process, every message is in its queue or at its destination.
 */
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import type { Connection } from '../amqp/connection.js'
import { exchangeExists } from '../amqp/passive.js'
import { AccessRefusedError, type ErrorCode, MessageError, UnroutableError, type WarrenError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { callContained, problemLog, type ReportProblem } from '../observe/contained.js'
import { checkOptions, is } from '../options.js'
import type { Results } from '../results/store.js'
import type { Producer } from '../send/producer.js'
import type { Logger } from '../task/logger.js'
import { DEAD_LETTER_DELIVERY_LIMIT } from '../task/topology.js'
import { type DeadLetter, type DeadLetterContent, readContent, readDeadLetter } from '../wire/deadLetter.js'
import { DELAY_UNROUTABLE, deadLetterQueue } from '../wire/names.js'
import type { OutgoingMessage } from '../wire/outgoingMessage.js'
import { isPack } from '../wire/pack.js'
import { taskIdOf } from '../wire/redelivery.js'
import { checkFilter, type DeadLetterFilter, matches } from './filter.js'
import { type Destination, destinationOf, freshCopy, type RedriveTarget, runOf } from './redrive.js'
import { DeadLetterScan, type ScanOptions } from './scan.js'
import { type SweepEnd, type SweepProgress, sweep } from './sweep.js'

/** Selects the dead letters of a domain, or those in any queue. */
export type DeadLettersOptions = ({ readonly domain: string } | { readonly queue: string }) & {
  /**
   * The delivery limit that the queue's policy sets. Each inspection counts as a delivery, so a message that has used up half
   * of the limit is refused with `DELIVERY_LIMIT_NEAR`. Default: 20 on RabbitMQ 4, its default without a policy; none before.
   * With the policies of `planOperator`: `DEAD_LETTER_DELIVERY_LIMIT`.
   */
  readonly deliveryLimit?: number
}

export interface ListOptions {
  /** At most this many. Default: all. */
  readonly limit?: number
  /** Ends it early, without an error. */
  readonly signal?: AbortSignal
}

export interface PurgeOptions extends ListOptions {
  /** Counts, and changes nothing. Default false. */
  readonly dryRun?: boolean
  readonly onProgress?: (progress: SweepProgress) => void
}

export interface RedriveOptions extends PurgeOptions {
  /** Messages a second, at most. Default: as fast as the broker confirms. */
  readonly rate?: number
  /**
   * `origin`, the default: the exchange and routing key with which it was first published; every service bound there gets it.
   * `queue`: only the queue in which it died.
   */
  readonly to?: RedriveTarget
}

/** How a redrive or a purge ended. */
export interface SweepSummary extends SweepEnd {
  readonly queue: string
}

export interface RedriveProblem {
  readonly code: ErrorCode
  readonly message: string
  readonly count: number
  /** The first 5. */
  readonly ids: readonly string[]
}

export interface RedriveSummary extends SweepSummary {
  /** Where they went, or would go, most first; at most 100 places. */
  readonly destinations: readonly (Destination & { readonly count: number })[]
  /** Why some were kept, with the ids of a few; at most 20 problems. */
  readonly problems: readonly RedriveProblem[]
}

/** Resolves when a matching dead letter may be removed; throws the reason why it stays. */
type Act = (message: ConsumeMessage, letter: DeadLetter, model: ChannelModel) => Promise<void>

/** The parts of its connection that it needs. */
export interface DeadLettersDependencies {
  /** Opens a separate connection. */
  readonly connect: () => Promise<Connection>
  readonly producer: Producer
  /** Notified that a redriven task begins a new run; undefined without a store. */
  readonly results: Results | undefined
  readonly confirmTimeoutMs: number
  /** Notified when one of the caller's callbacks fails. */
  readonly log: Logger
}

interface DeadLettersGiven {
  readonly domain?: string
  readonly queue?: string
  readonly deliveryLimit?: number
}

const MAX_PROBLEMS = 20
const MAX_IDS = 5
const MAX_DESTINATIONS = 100

export class DeadLetters {
  /** The queue that they are in. */
  readonly queue: string
  readonly #deliveryLimit: number | undefined
  readonly #dependencies: DeadLettersDependencies
  readonly #report: ReportProblem

  /** Use `warren.deadLetters()`. Does no I/O. */
  constructor(options: DeadLettersOptions, dependencies: DeadLettersDependencies) {
    const named = memberOf(options, 'domain') === undefined ? { queue: is.shortText } : { domain: is.shortText }
    const checks = { ...named, deliveryLimit: is.integer(2) }
    const given = checkOptions('deadLetters', options, checks, Object.keys(named)) as DeadLettersGiven
    this.queue = given.domain === undefined ? (given.queue as string) : deadLetterQueue(given.domain)
    // The only dead-letter queue whose limit is in its arguments and therefore known.
    const known = this.queue === DELAY_UNROUTABLE ? DEAD_LETTER_DELIVERY_LIMIT : undefined
    this.#deliveryLimit = given.deliveryLimit ?? known
    this.#dependencies = dependencies
    this.#report = problemLog(dependencies.log)
  }

  /**
   * The matching dead letters, oldest first, as of the start of the call. During the iteration they are held, invisible to
   * others; all return to the queue, in order, when it ends or the loop is left. Memory use is that of a single dead letter, so
   * keep the parts you need. Throws `OptionsError`, `DeadLettersUnreadableError`, `DeliveryLimitNearError`.
   */
  list(filter: DeadLetterFilter = {}, options: ListOptions = {}): AsyncGenerator<DeadLetter, void, undefined> {
    checkFilter('deadLetters.list', filter)
    checkOptions('deadLetters.list', options, LIST_CHECKS)
    return this.#look(filter, options, readDeadLetter)
  }

  /** One dead letter with its content and headers; more than one when the same task died more than once. */
  async show(id: string): Promise<DeadLetterContent[]> {
    checkFilter('deadLetters.show', { id })
    const found: DeadLetterContent[] = []
    for await (const letter of this.#look({ id }, {}, readContent)) found.push(letter)
    return found
  }

  /**
   * Sends dead letters back to their origin, as new messages with all attempts available. Each is removed once the broker has
   * confirmed the new message, so a crash leaves at worst a few in both places. Dead letters that cannot be sent (nothing
   * bound, exchange deleted, origin unknown) stay and are reported. Throws like `list`, and `UnconfirmedError` if the broker
   * stops confirming.
   */
  async redrive(filter: DeadLetterFilter, options: RedriveOptions = {}): Promise<RedriveSummary> {
    checkFilter('deadLetters.redrive', filter)
    checkOptions('deadLetters.redrive', options, REDRIVE_CHECKS)
    const { to = 'origin' } = options
    const now = Date.now()
    const exchanges = new Map<string, Promise<boolean>>()
    const destinations = new Map<string, Destination & { count: number }>()
    const problems = new Map<string, RedriveProblem>()
    const send: Act = async (message, letter, model) => {
      const { exchange, routingKey } = destinationOf(letter, to)
      // Publishing to a missing exchange closes the channel; with many such messages nothing else would happen.
      const exists = exchanges.get(exchange) ?? isThere(model, exchange)
      exchanges.set(exchange, exists)
      if (!(await exists)) throw new UnroutableError(exchange, routingKey, 'the exchange does not exist')
      if (options.dryRun !== true) {
        const run = runOf(message, now)
        // Before it is published: the new run may end before its confirm arrives, and its result must stay.
        if (taskIdOf(message) === letter.id && !isPack(message)) await this.#dependencies.results?.begin(letter.id, run)
        const publish = (copy: OutgoingMessage): Promise<void> => this.#publish(letter.id, exchange, routingKey, copy)
        await publish(freshCopy(message, letter, { to, now, run })).catch(async (error) => {
          if (!(error instanceof MessageError)) throw error
          await publish(freshCopy(message, letter, { to, now, run, slim: true }))
        })
      }
      const place = JSON.stringify([exchange, routingKey])
      const known = destinations.get(place)
      if (known !== undefined) known.count++
      else if (destinations.size < MAX_DESTINATIONS) destinations.set(place, { exchange, routingKey, count: 1 })
    }
    const summary = await this.#sweep(filter, options, send, ({ id }, { code, message }) => {
      const { count = 0, ids = [] } = problems.get(message) ?? {}
      if (count === 0 && problems.size >= MAX_PROBLEMS) return
      problems.set(message, { code, message, count: count + 1, ids: ids.length < MAX_IDS ? [...ids, id] : ids })
    })
    return {
      ...summary,
      destinations: [...destinations.values()].sort((a, b) => b.count - a.count),
      problems: [...problems.values()],
    }
  }

  #publish(id: string, exchange: string, routingKey: string, message: OutgoingMessage): Promise<void> {
    const { producer, confirmTimeoutMs } = this.#dependencies
    return producer.publish({ id, exchange, routingKey, message, confirmTimeoutMs })
  }

  /** Deletes dead letters permanently. Throws like `list`. */
  async purge(filter: DeadLetterFilter, options: PurgeOptions = {}): Promise<SweepSummary> {
    checkFilter('deadLetters.purge', filter)
    checkOptions('deadLetters.purge', options, PURGE_CHECKS)
    return this.#sweep(filter, options, async () => undefined)
  }

  async *#look<Letter extends DeadLetter>(
    filter: DeadLetterFilter,
    { limit = Number.POSITIVE_INFINITY, signal }: ListOptions,
    read: (message: ConsumeMessage) => Letter,
  ): AsyncGenerator<Letter, void, undefined> {
    const now = Date.now()
    const connection = await this.#dependencies.connect()
    try {
      const scan = await this.#scan(connection, { signal })
      try {
        for (let found = 0; found < limit; ) {
          const message = await scan.next()
          if (message === undefined) return
          const letter = read(message)
          if (!matches(filter, letter, message, now)) continue
          found++
          yield letter
        }
      } finally {
        await scan.finish()
      }
    } finally {
      await connection.close()
    }
  }

  async #sweep(
    filter: DeadLetterFilter,
    options: RedriveOptions,
    act: Act,
    onKept: (letter: DeadLetter, problem: WarrenError) => void = () => undefined,
  ): Promise<SweepSummary> {
    const connection = await this.#dependencies.connect()
    const { onProgress, ...rest } = options
    try {
      const summary = await sweep({
        ...rest,
        filter,
        open: (bounds) => this.#scan(connection, { signal: options.signal, ...bounds }),
        act: (message, letter) => act(message, letter, modelOf(connection)),
        onKept,
        onProgress: (progress) => {
          if (onProgress === undefined) return
          callContained('onProgress of dead letters', () => onProgress(progress), this.#report)
        },
      })
      return { queue: this.queue, ...summary }
    } finally {
      await connection.close()
    }
  }

  #scan(connection: Connection, options: Pick<ScanOptions, 'signal' | 'maxAhead' | 'atMost'>): Promise<DeadLetterScan> {
    const { broker } = connection
    return DeadLetterScan.open(modelOf(connection), {
      queue: this.queue,
      // Unless a policy sets another limit.
      deliveryLimit: this.#deliveryLimit ?? broker?.deliveryLimit,
      looksCount: broker?.countsReturns ?? true,
      ...options,
      idOf: (message) => readDeadLetter(message).id,
    })
  }
}

function modelOf({ model }: Connection): ChannelModel {
  if (model === undefined) throw new Error('the connection was lost')
  return model
}

async function isThere(model: ChannelModel, exchange: string): Promise<boolean> {
  // The default exchange always exists and must not be queried.
  if (exchange === '') return true
  return exchangeExists(model, exchange).catch((error: unknown) => {
    // A user without the right to query may still publish; a refused publish is reported.
    if (error instanceof AccessRefusedError) return true
    throw error
  })
}

const LIST_CHECKS = { limit: is.integer(1), signal: is.signal }

const PURGE_CHECKS = { ...LIST_CHECKS, dryRun: is.flag, onProgress: is.callback }

const REDRIVE_CHECKS = {
  ...PURGE_CHECKS,
  rate: (value: unknown) =>
    typeof value === 'number' && value > 0 && Number.isFinite(value) ? undefined : 'a number > 0',
  to: is.oneOf('origin', 'queue'),
}

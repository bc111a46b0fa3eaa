/**
 * The dead letters of one queue: look at them, send them back, remove them. All over AMQP, on a connection that is opened
 * for each call and closed at its end, so that nothing here can disturb sending or consuming. Whatever ends a call in
 * the middle, a lost connection or a killed process, leaves every message in its queue or where it was sent to.
 */
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import type { Broker } from './broker.js'
import { checkFilter, type DeadLetterFilter, matches } from './deadLetterFilter.js'
import { DeadLetterScan } from './deadLetterScan.js'
import { type DeadLetter, type DeadLetterContent, readContent, readDeadLetter } from './death.js'
import {
  AccessRefusedError,
  type ErrorCode,
  MessageError,
  OriginUnknownError,
  textOf,
  UnroutableError,
  type WarrenError,
} from './errors.js'
import { deadLetterQueue } from './names.js'
import { checkOptions, defaults, is } from './options.js'
import type { Producer } from './producer.js'
import { type Destination, destinationOf, Flight, freshCopy, Pace, type RedriveTarget } from './redrive.js'
import { DEFAULT_DELIVERY_LIMIT } from './topology.js'

/** Whose dead letters: a domain's, or those in a queue of any name. */
export type DeadLettersOptions = ({ readonly domain: string } | { readonly queue: string }) & {
  /**
   * The delivery limit that the queue's policy sets. Each look counts as a delivery, so a message that has used up half
   * of it is refused with `DELIVERY_LIMIT_NEAR`. Default: 20 on RabbitMQ 4, which is what it does without a policy; none
   * before. With the policies that `planOperator` gives: `DEAD_LETTER_DELIVERY_LIMIT`.
   */
  readonly deliveryLimit?: number
}

export interface ListOptions {
  /** At most this many. Default: all. */
  readonly limit?: number
  /** Ends it early, without an error. */
  readonly signal?: AbortSignal
}

export interface SweepProgress {
  /** How many dead letters there were at the start. Later ones are not touched. */
  readonly total: number
  readonly scanned: number
  /** Sent back and confirmed, or removed. */
  readonly done: number
  /** To be sent back, but it cannot be; they stay. */
  readonly kept: number
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
   * `origin`, the default: the exchange and routing key that it was first published with; every service bound there
   * gets it. `queue`: only the queue that it died in.
   */
  readonly to?: RedriveTarget
}

/** How a redrive or a purge ended. */
export interface SweepSummary extends SweepProgress {
  readonly queue: string
  /** How many fit the filter: done, kept, or what a dry run would have done. */
  readonly matched: number
  /** `end`: looked at all there were; `limit`; `aborted` by the signal. */
  readonly stopped: 'end' | 'limit' | 'aborted'
  readonly dryRun: boolean
}

export interface RedriveSummary extends SweepSummary {
  /** Where they went, or would go, most first; at most 100 places. */
  readonly destinations: readonly (Destination & { readonly count: number })[]
  /** Why some were kept; the first 20. */
  readonly problems: readonly { readonly id: string; readonly code: ErrorCode; readonly message: string }[]
}

/** What it needs of the connection it belongs to. */
export interface DeadLettersDependencies {
  /** A connection of its own, open. */
  readonly connect: () => Promise<Broker>
  readonly producer: Producer
  readonly confirmTimeoutMs: number
}

const MAX_UNCONFIRMED = 100
const MAX_PROBLEMS = 20
const MAX_DESTINATIONS = 100
/**
 * RabbitMQ closes the channel of a consumer that holds a message for 30 minutes. A slow redrive gives back what it holds
 * before that, and goes on from the head.
 */
const PASS_MS = 10 * 60 * 1000
/** A slow redrive holds no more ahead than it sends in this time. */
const AHEAD_MS = 60_000

/** What is done with a dead letter that fits. Resolves when it may be removed; throws why it stays. */
type Act = (message: ConsumeMessage, letter: DeadLetter, model: ChannelModel) => Promise<void>

export class DeadLetters {
  /** The queue that they are in. */
  readonly queue: string
  readonly #deliveryLimit: number | undefined
  readonly #dependencies: DeadLettersDependencies

  /** Use `warren.deadLetters()`. Does no I/O. */
  constructor(options: DeadLettersOptions, dependencies: DeadLettersDependencies) {
    const named = is.record(options) === undefined && 'domain' in options ? { domain: is.text } : { queue: is.text }
    checkOptions('deadLetters', options, { ...named, deliveryLimit: is.integer(2) }, Object.keys(named))
    this.queue = 'domain' in options ? deadLetterQueue(options.domain) : options.queue
    this.#deliveryLimit = options.deliveryLimit
    this.#dependencies = dependencies
  }

  /**
   * The dead letters that fit, oldest first, as they stood when it began. While it goes on they are held, invisible to
   * others; all are back, in their order, when it ends or its loop is left. Keep what you need of each: the memory it
   * takes is that of one. Throws `OptionsError`, `DeadLettersUnreadableError`, `DeliveryLimitNearError`.
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
   * Sends dead letters back to where they came from, as fresh messages with all attempts before them. Each is removed
   * here once the broker has confirmed it there, so that a crash leaves at worst a few in both places. What cannot be
   * sent (nothing bound, exchange gone, origin unknown) stays and is reported. Throws what `list` throws, and
   * `UnconfirmedError` when the broker stops confirming.
   */
  async redrive(filter: DeadLetterFilter, options: RedriveOptions = {}): Promise<RedriveSummary> {
    checkFilter('deadLetters.redrive', filter)
    checkOptions('deadLetters.redrive', options, REDRIVE_CHECKS)
    const { to = 'origin' } = options
    const now = Date.now()
    const { producer, confirmTimeoutMs } = this.#dependencies
    const exchanges = new Map<string, Promise<boolean>>()
    const destinations = new Map<string, Destination & { count: number }>()
    const problems: { id: string; code: ErrorCode; message: string }[] = []
    const send: Act = async (message, letter, model) => {
      const { exchange, routingKey } = destinationOf(letter, to)
      // An exchange that does not exist closes the channel, and with many messages for it that would be all it does.
      const exists = exchanges.get(exchange) ?? exchangeExists(model, exchange)
      exchanges.set(exchange, exists)
      if (!(await exists)) throw new UnroutableError(exchange, routingKey, 'the exchange does not exist')
      if (options.dryRun !== true) {
        const copy = freshCopy(message, letter, to, now)
        await producer.publish({ id: letter.id, exchange, routingKey, message: copy, confirmTimeoutMs })
      }
      const place = JSON.stringify([exchange, routingKey])
      const known = destinations.get(place)
      if (known !== undefined) known.count++
      else if (destinations.size < MAX_DESTINATIONS) destinations.set(place, { exchange, routingKey, count: 1 })
    }
    const summary = await this.#sweep(filter, options, send, (letter, { code, message }) => {
      if (problems.length < MAX_PROBLEMS && !problems.some(({ id }) => id === letter.id)) {
        problems.push({ id: letter.id, code, message })
      }
    })
    return { ...summary, destinations: [...destinations.values()].sort((a, b) => b.count - a.count), problems }
  }

  /** Removes dead letters for good. Throws what `list` throws. */
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
    const broker = await this.#dependencies.connect()
    try {
      const scan = await this.#scan(broker, { signal })
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
      await broker.close()
    }
  }

  /** Goes through the queue, in one pass or several, and removes what `act` has dealt with. */
  async #sweep(
    filter: DeadLetterFilter,
    options: RedriveOptions,
    act: Act,
    onKept: (letter: DeadLetter, problem: WarrenError) => void = () => undefined,
  ): Promise<SweepSummary> {
    const { limit = Number.POSITIVE_INFINITY, dryRun = false, signal, rate, onProgress } = options
    const now = Date.now()
    const pace = new Pace(rate)
    const flight = new Flight(MAX_UNCONFIRMED, defaults.maxUnconfirmedBytes)
    const maxAhead = rate === undefined ? undefined : Math.max(1, Math.ceil((rate * AHEAD_MS) / 1000))
    const tally = { total: 0, scanned: 0, done: 0, kept: 0, planned: 0 }
    const progress = (): void => onProgress?.(progressOf(tally))
    const broker = await this.#dependencies.connect()
    try {
      for (let pass = 1; ; pass++) {
        // What was there at the start and is not done yet. Those sent back that die again are not taken a second time.
        const left = pass === 1 ? undefined : tally.total - tally.done
        const scan = await this.#scan(broker, { signal, maxAhead, atMost: left })
        if (pass === 1) tally.total = scan.total
        tally.kept = 0
        tally.scanned = tally.done
        let tried = tally.done
        let fatal: unknown
        let stopped: SweepSummary['stopped'] | 'pass' = 'end'
        const deal = async (message: ConsumeMessage, letter: DeadLetter): Promise<void> => {
          try {
            await act(message, letter, modelOf(broker))
            if (dryRun) {
              tally.planned++
            } else {
              scan.ack(message)
              tally.done++
            }
          } catch (error) {
            tally.kept++
            if (concernsOne(error)) onKept(letter, error)
            else fatal ??= error
          }
          progress()
        }
        const endsAt = performance.now() + PASS_MS
        try {
          while (fatal === undefined) {
            if (tried >= limit) stopped = 'limit'
            else if (performance.now() > endsAt) stopped = 'pass'
            if (stopped !== 'end') break
            const message = await scan.next()
            if (message === undefined) break
            tally.scanned++
            const letter = readDeadLetter(message)
            if (matches(filter, letter, message, now)) {
              if (!dryRun) await pace.next(signal)
              await flight.room()
              if (signal?.aborted === true) break
              tried++
              flight.add(message.content.length, deal(message, letter))
            } else if (tally.scanned % PROGRESS_EVERY === 0) {
              progress()
            }
          }
        } finally {
          await flight.empty()
          await scan.finish()
        }
        if (fatal !== undefined) throw fatal
        if (signal?.aborted === true) stopped = 'aborted'
        if (stopped === 'pass') continue
        progress()
        const { planned, ...counts } = tally
        return { queue: this.queue, ...counts, matched: planned + tally.done + tally.kept, stopped, dryRun }
      }
    } finally {
      await broker.close()
    }
  }

  #scan(
    broker: Broker,
    options: { signal: AbortSignal | undefined; maxAhead?: number | undefined; atMost?: number | undefined },
  ): Promise<DeadLetterScan> {
    const { signal, maxAhead, atMost } = options
    // RabbitMQ 4 drops a message after 20 deliveries where no policy says otherwise; before, there is no limit.
    const byDefault = Number.parseInt(broker.serverVersion ?? '', 10) >= 4 ? DEFAULT_DELIVERY_LIMIT : undefined
    return DeadLetterScan.open(modelOf(broker), {
      queue: this.queue,
      deliveryLimit: this.#deliveryLimit ?? byDefault,
      signal,
      ...(maxAhead === undefined ? {} : { maxAhead }),
      ...(atMost === undefined ? {} : { atMost }),
      idOf: (message) => readDeadLetter(message).id,
    })
  }
}

/** How many messages that do not fit go by between two reports of progress. */
const PROGRESS_EVERY = 500

const progressOf = ({ total, scanned, done, kept }: SweepProgress): SweepProgress => ({ total, scanned, done, kept })

function modelOf({ model }: Broker): ChannelModel {
  if (model === undefined) throw new Error('the connection was lost')
  return model
}

/** Whether the next message may fare better; otherwise it is the broker that does not answer. */
const concernsOne = (error: unknown): error is WarrenError =>
  error instanceof UnroutableError ||
  error instanceof MessageError ||
  error instanceof OriginUnknownError ||
  error instanceof AccessRefusedError

async function exchangeExists(model: ChannelModel, exchange: string): Promise<boolean> {
  if (exchange === '') return true
  const channel = await model.createChannel()
  channel.on('error', () => undefined)
  try {
    await channel.checkExchange(exchange)
    await channel.close()
    return true
  } catch (error) {
    // Whatever else is wrong, publishing will tell.
    return !textOf(error).includes('NOT_FOUND')
  }
}

const abortSignal = (value: unknown): string | undefined =>
  value instanceof AbortSignal ? undefined : 'an AbortSignal'

const LIST_CHECKS = { limit: is.integer(1), signal: abortSignal }

const PURGE_CHECKS = { ...LIST_CHECKS, dryRun: is.flag, onProgress: is.callback }

const REDRIVE_CHECKS = {
  ...PURGE_CHECKS,
  rate: (value: unknown) =>
    typeof value === 'number' && value > 0 && Number.isFinite(value) ? undefined : 'a number > 0',
  to: is.oneOf('origin', 'queue'),
}

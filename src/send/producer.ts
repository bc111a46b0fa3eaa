/**
 * The outbox: every message that was handed over and is not yet confirmed. It publishes on a confirm channel with a
 * bounded window in flight, and each message ends in exactly one way: confirmed; returned (`UNROUTABLE`); refused by
 * the broker; or past its deadline (`UNCONFIRMED`). When a channel or connection dies, what was in flight is published
 * again under the same id as soon as there is a new one, in the same order. From then on it is never `UNROUTABLE`: a
 * queue that is away may hold the earlier copy, so it is published until it is confirmed or past its deadline.
 *
 * States of a message:  waiting ──written──▶ in flight ──confirm──▶ settled
 *                          ▲                    │
 *                          └─ nack, lost channel ┘        deadline, return, refusal: settled with an error
 *
 * A channel that the broker closes with an error (403, 404, 406) was closed by one of the messages in flight, and the
 * broker does not say which. Those in flight become suspects and are published one at a time; the one in flight when
 * the channel closes again is the culprit, and it alone is rejected.
 */
import { EventEmitter } from 'node:events'
import type { ChannelModel, ConfirmChannel, Message } from 'amqplib'
import { jittered } from '../amqp/backoff.js'
import type { Connection } from '../amqp/connection.js'
import {
  AccessRefusedError,
  ClosedError,
  MessageError,
  textOf,
  UnconfirmedError,
  UnroutableError,
} from '../errors/index.js'
import { headers } from '../wire/names.js'
import { Fifo } from './fifo.js'
import { Outgoing, type Publication } from './outgoing.js'

export interface ProducerOptions {
  readonly maxUnconfirmed: number
  readonly maxUnconfirmedBytes: number
}

export interface ProducerEvents {
  confirmed: [{ id: string; exchange: string; routingKey: string; latencyMs: number }]
  republished: [{ count: number; reason: string }]
}

/** How often deadlines are looked at: one timer for all messages, not one for each. */
const SWEEP_MS = 100
/** How long the oldest message may wait for its confirm before all in flight are published again on a new channel. */
const STALL_MS = 10_000
/**
 * The same after a lost connection, doubled each time. Its node may have led a quorum queue: a channel that is opened
 * before the other nodes have elected a leader goes on sending to the dead one, and RabbitMQ 3.10.8 refuses all that
 * comes through it until that node is back. A channel that is opened later finds the new leader.
 */
const FRESH_STALL_MS = 300
/** A broker that is only slow is given more time to confirm. */
const FRESH_SILENCE_MS = 1_000
/** How often one message is refused before a new channel is tried. A full queue refuses too, and a new channel is cheap. */
const REFUSED_TIMES = 3
const NACK_DELAY_MS = 50
const NACK_MAX_DELAY_MS = 2_000
const REOPEN_DELAY_MS = 100
/** Channel errors that a message can cause: no permission, no exchange, precondition failed, not allowed. */
const REFUSALS: ReadonlySet<number> = new Set([403, 404, 406, 530])

export class Producer extends EventEmitter<ProducerEvents> {
  readonly #connection: Connection
  readonly #options: ProducerOptions
  readonly #waiting = new Fifo<Outgoing>()
  /** By the tag of the confirm that each waits for, lowest first. */
  readonly #inFlight = new Map<number, Outgoing>()
  #inFlightBytes = 0
  #channel: ConfirmChannel | undefined
  /** The tag of the next confirm of the present channel, counted from 1 as the broker does. */
  #nextTag = 1
  #openedAt = 0
  #stallMs = STALL_MS
  #opening = false
  #congested = false
  #suspects = 0
  #sweeper: NodeJS.Timeout | undefined
  #reopener: NodeJS.Timeout | undefined
  readonly #nackTimers = new Map<NodeJS.Timeout, Outgoing>()
  #pending = 0
  #closed = false
  #idle: (() => void)[] = []

  constructor(connection: Connection, options: ProducerOptions) {
    super()
    this.#connection = connection
    this.#options = options
    connection.on('open', ({ model }) => void this.#openChannel(model))
    connection.on('lost', ({ reason }) => {
      this.#stallMs = FRESH_STALL_MS
      this.#loseChannel(undefined, reason)
    })
    connection.on('unblocked', () => this.#pump())
  }

  /** How many messages are handed over and not settled yet. */
  get pending(): number {
    return this.#pending
  }

  /**
   * Publishes one message, `mandatory` and persistent, and resolves once the broker has confirmed it.
   * Throws `UnroutableError`, `UnconfirmedError`, `AccessRefusedError`, `MessageError` or `ClosedError`.
   */
  publish(publication: Publication): Promise<void> {
    if (this.#closed) return Promise.reject(new ClosedError('The producer'))
    const problem = this.#connection.blocked ? 'the broker blocks publishers' : 'no connection to the broker'
    return new Promise((resolve, reject) => {
      this.#pending++
      this.#waiting.push(new Outgoing(publication, resolve, reject, problem))
      this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS)
      this.#pump()
    })
  }

  /** Resolves when nothing is pending. */
  async flush(): Promise<void> {
    if (this.#pending === 0) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Takes nothing new, and rejects what is still pending. Call `flush` first to wait for it. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#sweeper)
    clearTimeout(this.#reopener)
    const nacked = [...this.#nackTimers].map(([timer, outgoing]) => {
      clearTimeout(timer)
      return outgoing
    })
    for (const outgoing of [...this.#inFlight.values(), ...nacked, ...this.#waiting.take()]) {
      this.#settle(outgoing, new ClosedError('The producer'))
    }
    this.#nackTimers.clear()
  }

  async #openChannel(model: ChannelModel): Promise<void> {
    if (this.#opening || this.#closed) return
    this.#opening = true
    try {
      const channel = await model.createConfirmChannel()
      if (this.#connection.model !== model) return
      let refusal: { code?: number; message: string } | undefined
      channel.on('error', (error: Error & { code?: number }) => {
        refusal = error
      })
      channel.once('close', () => {
        this.#loseChannel(channel, textOf(refusal ?? 'channel closed'), refusal?.code)
      })
      channel.on('ack', ({ deliveryTag, multiple }) => this.#answer(channel, deliveryTag, multiple, false))
      channel.on('nack', ({ deliveryTag, multiple }) => this.#answer(channel, deliveryTag, multiple, true))
      channel.on('return', (message) => this.#markReturned(message))
      channel.on('drain', () => {
        this.#congested = false
        this.#pump()
      })
      this.#channel = channel
      this.#openedAt = Date.now()
      this.#nextTag = 1
      this.#congested = false
    } catch {
      // The model died, or has no channel left; tried again below.
    } finally {
      this.#opening = false
      // The connection may have been replaced meanwhile, and its `open` found this one still at work.
      if (this.#channel === undefined) this.#reopenLater('the channel could not be opened')
    }
    this.#pump()
  }

  #reopenLater(reason: string): void {
    const model = this.#connection.model
    // Without a connection, the next `open` brings the channel.
    if (model === undefined || this.#closed) return
    for (const outgoing of this.#waiting) outgoing.problem = reason
    clearTimeout(this.#reopener)
    this.#reopener = setTimeout(() => {
      const current = this.#connection.model
      if (current !== undefined && this.#channel === undefined) void this.#openChannel(current)
    }, REOPEN_DELAY_MS)
  }

  /** `channel` undefined: the whole connection is gone. Called at most once for each channel: later calls find it replaced. */
  #loseChannel(channel: ConfirmChannel | undefined, reason: string, code?: number): void {
    if (this.#channel === undefined || (channel !== undefined && channel !== this.#channel)) return
    this.#channel = undefined
    const lost = [...this.#inFlight.values()]
    for (const outgoing of lost) outgoing.tag = 0
    this.#inFlight.clear()
    this.#inFlightBytes = 0
    const refused = code !== undefined && REFUSALS.has(code)
    if (refused) {
      const [culprit] = lost
      if (lost.length === 1 && culprit !== undefined) {
        lost.pop()
        this.#settle(culprit, refusal(code, reason, culprit.publication))
      } else {
        this.#suspects = lost.length
      }
    }
    if (lost.length > 0) {
      for (const outgoing of lost) {
        outgoing.problem = reason
        outgoing.unsure = true
        outgoing.returned = false
      }
      this.#waiting.unshift(lost)
      this.emit('republished', { count: lost.length, reason })
    }
    this.#reopenLater(reason)
  }

  #pump(): void {
    const { maxUnconfirmed, maxUnconfirmedBytes } = this.#options
    const window = this.#suspects > 0 ? 1 : maxUnconfirmed
    while (
      this.#waiting.length > 0 &&
      this.#channel !== undefined &&
      !this.#congested &&
      !this.#connection.blocked &&
      this.#inFlight.size < window &&
      (this.#inFlightBytes < maxUnconfirmedBytes || this.#inFlight.size === 0)
    ) {
      const outgoing = this.#waiting.shift() as Outgoing
      if (!outgoing.settled) this.#write(this.#channel, outgoing)
    }
  }

  #write(channel: ConfirmChannel, outgoing: Outgoing): void {
    const { exchange, routingKey, message, id } = outgoing.publication
    if (outgoing.writtenAt === 0) {
      outgoing.writtenAt = Date.now()
      outgoing.problem = 'the broker has not confirmed it'
    } else {
      // Why it is written again stays what is known of it.
      message.properties.headers[headers.republished] = true
    }
    try {
      this.#congested = !channel.publish(exchange, routingKey, message.content, message.properties)
    } catch (error) {
      this.#settle(outgoing, new MessageError(`Message ${id} cannot be encoded: ${textOf(error)}`, { cause: error }))
      return
    }
    outgoing.lastWrittenAt = Date.now()
    outgoing.tag = this.#nextTag++
    this.#inFlight.set(outgoing.tag, outgoing)
    this.#inFlightBytes += message.content.length
  }

  #answer(channel: ConfirmChannel, tag: number, multiple: boolean, nacked: boolean): void {
    if (channel !== this.#channel) return
    if (multiple) {
      for (const [each, outgoing] of this.#inFlight) {
        if (each > tag) break
        this.#answerOne(outgoing, nacked)
      }
    } else {
      // Past its deadline it left the flight, and its confirm comes after all: the caller was told already.
      const outgoing = this.#inFlight.get(tag)
      if (outgoing !== undefined) this.#answerOne(outgoing, nacked)
    }
    this.#pump()
  }

  #answerOne(outgoing: Outgoing, nacked: boolean): void {
    const { exchange, routingKey } = outgoing.publication
    if (nacked) {
      const problem = 'the broker refused it (nack): the queue is full, or has no majority of its members'
      // A queue whose node dies refuses what it may have taken, and handed out, already.
      outgoing.unsure = true
      this.#tryAgain(outgoing, problem)
      if (outgoing.nacks >= REFUSED_TIMES && Date.now() - this.#openedAt >= this.#stallMs) this.#renew(problem)
    } else if (!outgoing.returned) {
      this.#settle(outgoing)
    } else if (outgoing.unsure) {
      // "Unroutable" would say that it is in no queue; the queue may be away with the copy in it.
      outgoing.returned = false
      this.#tryAgain(outgoing, 'no queue is bound for it now, and an earlier copy may be in one')
    } else {
      this.#settle(outgoing, new UnroutableError(exchange, routingKey, 'no queue is bound for it'))
    }
  }

  /** `basic.return` comes before the confirm of the same message (https://www.rabbitmq.com/docs/confirms). */
  #markReturned({ fields, properties }: Message): void {
    for (const outgoing of this.#inFlight.values()) {
      const { id, exchange, routingKey } = outgoing.publication
      if (id === properties.messageId && routingKey === fields.routingKey && exchange === fields.exchange) {
        outgoing.returned = true
      }
    }
  }

  #tryAgain(outgoing: Outgoing, problem: string): void {
    this.#leaveFlight(outgoing)
    if (outgoing.settled) return
    outgoing.problem = problem
    const timer = setTimeout(
      () => {
        this.#nackTimers.delete(timer)
        if (outgoing.settled) return
        this.#waiting.push(outgoing)
        this.#pump()
      },
      jittered(NACK_DELAY_MS, outgoing.nacks++, NACK_MAX_DELAY_MS),
    )
    this.#nackTimers.set(timer, outgoing)
    if (Date.now() > outgoing.deadline) this.#settle(outgoing, this.#unconfirmed(outgoing))
  }

  /**
   * After a leader election a channel may wait for ever for a confirm. A new channel and the same ids again cost at worst
   * a double, which the consumer's side drops.
   */
  #renewStalled(now: number): void {
    const [oldest] = this.#inFlight.values()
    if (oldest === undefined || this.#connection.blocked) return
    const patienceMs = Math.max(this.#stallMs, FRESH_SILENCE_MS)
    if (now - oldest.lastWrittenAt >= patienceMs) this.#renew(`no confirm for ${patienceMs} ms`)
  }

  /** Publishes all that is in flight again on a new channel of the same connection. */
  #renew(reason: string): void {
    const channel = this.#channel
    if (channel === undefined) return
    this.#stallMs = Math.min(this.#stallMs * 2, STALL_MS)
    this.#loseChannel(channel, reason)
    channel.close().catch(() => undefined)
  }

  #sweep(): void {
    const now = Date.now()
    this.#renewStalled(now)
    const overdue = (outgoing: Outgoing): void => {
      if (!outgoing.settled && now > outgoing.deadline) this.#settle(outgoing, this.#unconfirmed(outgoing))
    }
    for (const outgoing of this.#inFlight.values()) overdue(outgoing)
    for (const outgoing of this.#waiting) overdue(outgoing)
    // During an outage nothing is taken from the front, so what has ended is dropped here: the list cannot grow for ever.
    if (this.#channel === undefined) {
      this.#waiting.filter(({ settled }) => !settled)
    }
    if (this.#pending === 0) {
      clearInterval(this.#sweeper)
      this.#sweeper = undefined
    }
    this.#pump()
  }

  #unconfirmed({ publication: { id, confirmTimeoutMs }, writtenAt, problem }: Outgoing): UnconfirmedError {
    return new UnconfirmedError(id, confirmTimeoutMs, writtenAt !== 0, problem)
  }

  #leaveFlight(outgoing: Outgoing): void {
    if (outgoing.tag === 0 || !this.#inFlight.delete(outgoing.tag)) return
    outgoing.tag = 0
    this.#inFlightBytes -= outgoing.publication.message.content.length
  }

  #settle(outgoing: Outgoing, error?: unknown): void {
    this.#leaveFlight(outgoing)
    if (outgoing.settled) return
    outgoing.settled = true
    this.#pending--
    if (this.#suspects > 0) this.#suspects--
    if (error === undefined) {
      if (this.listenerCount('confirmed') > 0) {
        const { id, exchange, routingKey } = outgoing.publication
        this.emit('confirmed', { id, exchange, routingKey, latencyMs: Date.now() - outgoing.writtenAt })
      }
      outgoing.resolve()
    } else {
      outgoing.reject(error)
    }
    if (this.#idle.length > 0 && this.#pending === 0) {
      for (const resolve of this.#idle.splice(0)) resolve()
    }
  }
}

/** The error for a message because of which the broker closed the channel. */
function refusal(code: number, reason: string, { id, exchange, routingKey }: Publication): Error {
  if (code === 404) return new UnroutableError(exchange, routingKey, reason)
  if (code === 403) return new AccessRefusedError(`exchange ${exchange}`, new Error(reason))
  return new MessageError(`The broker refused message ${id}: ${reason}`)
}

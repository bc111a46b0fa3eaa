/**
 * Holds every message that is not yet confirmed. It publishes on its own confirm channel with a bounded window in flight, and
 * each message ends in exactly one way: confirmed; returned (`UNROUTABLE`); refused by the broker; or past its deadline
 * (`UNCONFIRMED`). When a channel or connection dies, messages in flight are published again under the same ids as soon as
 * there is a new one, in the same order. From then on they are never `UNROUTABLE`: an unavailable queue may hold the earlier
 * copy, so they are published until they are confirmed or past their deadline.
 *
 * States of a message:  waiting ──written──▶ in flight ──confirm──▶ settled
 *                          ▲                    │
 *                          └─ nack, lost channel ┘        deadline, return, refusal: settled with an error
 *
 * Any number of producers may share a connection. No users' code runs here: it settles promises, then notifies its owner of the
 * events.
 */
import { EventEmitter } from 'node:events'
import type { Message } from 'amqplib'
import Denque from 'denque'
import type { Connection } from '../amqp/connection.js'
import { ClosedError, MessageError, textOf, UnconfirmedError, UnroutableError } from '../errors/index.js'
import { withoutTracing } from '../observe/tracing.js'
import { pause } from '../timers.js'
import { headers } from '../wire/names.js'
import { Flight } from './flight.js'
import { type Confirmation, confirmation, Outgoing, type Publication } from './outgoing.js'
import { Patience } from './patience.js'
import { type ChannelOwner, PublishingChannel } from './publishingChannel.js'
import { Refused } from './refused.js'
import { refusal, Suspects } from './suspects.js'

export interface ProducerOptions {
  readonly maxUnconfirmed: number
  readonly maxUnconfirmedBytes: number
}

export interface ProducerEvents {
  confirmed: [Confirmation]
  republished: [{ count: number; reason: string }]
}

/** How often deadlines are checked: one timer for all messages, not one for each. */
const SWEEP_MS = 100

export class Producer extends EventEmitter<ProducerEvents> {
  readonly #connection: Connection
  readonly #options: ProducerOptions
  readonly #channel: PublishingChannel
  readonly #waiting = new Denque<Outgoing>()
  readonly #flight = new Flight()
  readonly #suspects = new Suspects()
  readonly #patience = new Patience()
  readonly #refused = new Refused()
  readonly #onConnectionLost = (): void => this.#patience.connectionLost()
  readonly #write = (): void => this.#writeWaiting()
  #sweeper: NodeJS.Timeout | undefined
  #pending = 0
  #pendingBytes = 0
  #closed = false
  #idle: (() => void)[] = []

  /** Opens its channel as soon as there is a connection, now or later. */
  constructor(connection: Connection, options: ProducerOptions) {
    super()
    this.#connection = connection
    this.#options = options
    connection.on('lost', this.#onConnectionLost)
    const owner: ChannelOwner = {
      ready: () => this.#pump(),
      lost: (reason, code) => this.#channelLost(reason, code),
      unavailable: (reason) => this.#explainWaiting(reason),
      answered: (tag, multiple, nacked) => this.#answered(tag, multiple, nacked),
      returned: (message) => this.#markReturned(message),
    }
    this.#channel = new PublishingChannel(connection, owner)
  }

  /** How many messages are not settled yet. */
  get pending(): number {
    return this.#pending
  }

  /** Whether the window is full. `publish` accepts more anyway and keeps them in memory. */
  get full(): boolean {
    const { maxUnconfirmed, maxUnconfirmedBytes } = this.#options
    return this.#pending >= maxUnconfirmed || this.#pendingBytes >= maxUnconfirmedBytes
  }

  /**
   * Publishes one message, `mandatory` and persistent, and resolves once the broker has confirmed it.
   * Throws `UnroutableError`, `UnconfirmedError`, `AccessRefusedError`, `MessageError` or `ClosedError`.
   */
  publish(publication: Publication): Promise<void> {
    if (this.#closed) return Promise.reject(new ClosedError('The producer'))
    const problem = this.#connection.blocked ? 'the broker blocks publishers' : 'no connection to the broker'
    return new Promise((resolve, reject) => {
      const outgoing = new Outgoing(publication, resolve, reject, problem)
      this.#pending++
      this.#pendingBytes += outgoing.bytes
      this.#waiting.push(outgoing)
      this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS)
      this.#pump()
    })
  }

  /** Resolves when nothing is pending, or after `withinMs`. */
  async flush(withinMs = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.#pending === 0) return
    const over = new AbortController()
    await Promise.race([new Promise<void>((resolve) => this.#idle.push(resolve)), pause(withinMs, over.signal)])
    over.abort()
  }

  /** Accepts no new messages and rejects pending ones. Call `flush` first to wait for them. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#sweeper)
    this.#connection.off('lost', this.#onConnectionLost)
    this.#channel.close()
    const pending = [...this.#flight.takeAll(), ...this.#refused.takeAll(), ...this.#waiting.toArray()]
    this.#waiting.clear()
    for (const outgoing of pending) this.#settle(outgoing, new ClosedError('The producer'))
  }

  #pump(): void {
    if (this.#waiting.length > 0 && this.#channel.writable) withoutTracing(this.#write)
  }

  #writeWaiting(): void {
    const { maxUnconfirmed, maxUnconfirmedBytes } = this.#options
    while (
      this.#waiting.length > 0 &&
      this.#channel.writable &&
      this.#flight.live < (this.#suspects.any ? 1 : maxUnconfirmed) &&
      (this.#flight.bytes < maxUnconfirmedBytes || this.#flight.live === 0)
    ) {
      const outgoing = this.#waiting.shift()
      if (outgoing?.message !== undefined) this.#writeOne(outgoing, outgoing.message)
    }
  }

  #writeOne(outgoing: Outgoing, message: NonNullable<Outgoing['message']>): void {
    const now = performance.now()
    if (outgoing.writtenAt === -1) {
      outgoing.problem = 'the broker has not confirmed it'
    } else {
      // Keeps the reason why it is written again.
      message.properties.headers[headers.republished] = true
    }
    let tag: number
    try {
      tag = this.#channel.write(outgoing.exchange, outgoing.routingKey, message)
    } catch (error) {
      const text = `Message ${outgoing.id} cannot be encoded: ${textOf(error)}`
      this.#settle(outgoing, new MessageError(text, { cause: error }))
      return
    }
    if (outgoing.writtenAt === -1) outgoing.writtenAt = now
    outgoing.lastWrittenAt = now
    this.#flight.add(outgoing, tag)
  }

  #channelLost(reason: string, code: number | undefined): void {
    const inFlight = this.#flight.takeAll()
    const culprit = this.#suspects.culprit(inFlight, code)
    if (culprit !== undefined && code !== undefined) this.#settle(culprit, refusal(code, reason, culprit))
    const lost = inFlight.filter(({ settled }) => !settled)
    if (lost.length === 0) return
    // From the back, so that they come first and in their order.
    for (const outgoing of lost.reverse()) {
      outgoing.problem = reason
      outgoing.unsure = true
      outgoing.returned = false
      this.#waiting.unshift(outgoing)
    }
    this.emit('republished', { count: lost.length, reason })
  }

  #explainWaiting(reason: string): void {
    for (let index = 0; index < this.#waiting.length; index++) {
      const outgoing = this.#waiting.peekAt(index)
      if (outgoing !== undefined) outgoing.problem = reason
    }
  }

  #answered(tag: number, multiple: boolean, nacked: boolean): void {
    const answered = this.#flight.answered(tag, multiple)
    for (const outgoing of answered) this.#answerOne(outgoing, nacked)
    this.#tellConfirmed(answered, nacked)
    this.#pump()
  }

  #answerOne(outgoing: Outgoing, nacked: boolean): void {
    // If its deadline has passed, the caller has already been told.
    if (outgoing.settled) return
    this.#suspects.clear(outgoing)
    const { exchange, routingKey } = outgoing
    if (nacked) {
      const problem = 'the broker refused it (nack): the queue is full, or has no majority of its members'
      // A queue whose node dies refuses messages that it may already have accepted and delivered.
      outgoing.unsure = true
      this.#tryAgain(outgoing, problem)
      if (this.#patience.endsWithRefusals(outgoing.nacks, this.#channel.ageMs)) this.#renew(problem)
    } else if (!outgoing.returned) {
      this.#settle(outgoing)
    } else if (outgoing.unsure) {
      // "Unroutable" would mean that it is in no queue; but an unavailable queue may hold the copy.
      outgoing.returned = false
      this.#tryAgain(outgoing, 'RabbitMQ has no queue for it now, and an earlier copy may be in one')
    } else {
      this.#settle(
        outgoing,
        new UnroutableError(exchange, routingKey, 'RabbitMQ returned it, because it has no queue for it'),
      )
    }
  }

  /** After the promises are settled, all of one answer. */
  #tellConfirmed(answered: readonly Outgoing[], nacked: boolean): void {
    if (nacked || this.listenerCount('confirmed') === 0) return
    const now = performance.now()
    for (const outgoing of answered) if (outgoing.confirmed) this.emit('confirmed', confirmation(outgoing, now))
  }

  /** `basic.return` comes before the confirm of the same message (https://www.rabbitmq.com/docs/confirms). */
  #markReturned({ fields, properties }: Message): void {
    for (const outgoing of this.#flight.values()) {
      const { id, exchange, routingKey } = outgoing
      if (id === properties.messageId && routingKey === fields.routingKey && exchange === fields.exchange) {
        outgoing.returned = true
      }
    }
  }

  #tryAgain(outgoing: Outgoing, problem: string): void {
    outgoing.problem = problem
    if (performance.now() > outgoing.deadline) {
      this.#settle(outgoing, this.#unconfirmed(outgoing))
      return
    }
    this.#refused.add(outgoing, (again) => {
      this.#waiting.push(again)
      this.#pump()
    })
  }

  /** Publishes all messages in flight again on a new channel: at worst this creates duplicates, which the worker drops. */
  #renew(reason: string): void {
    this.#patience.channelRenewed()
    this.#channel.renew(reason)
  }

  #sweep(): void {
    const now = performance.now()
    const { oldest } = this.#flight
    if (oldest !== undefined && !this.#connection.blocked) {
      const reason = this.#patience.endsWithSilence(now - oldest.lastWrittenAt)
      if (reason !== undefined) this.#renew(reason)
    }
    const ended = (outgoing: Outgoing): boolean => {
      if (!outgoing.settled && now > outgoing.deadline) this.#settle(outgoing, this.#unconfirmed(outgoing))
      return outgoing.settled
    }
    for (const outgoing of this.#flight.values()) ended(outgoing)
    for (const outgoing of this.#refused.values()) ended(outgoing)
    // Removes settled messages, because nothing is taken from the front during an outage.
    for (let left = this.#waiting.length; left > 0; left--) {
      const outgoing = this.#waiting.shift()
      if (outgoing !== undefined && !ended(outgoing)) this.#waiting.push(outgoing)
    }
    if (this.#pending === 0) {
      clearInterval(this.#sweeper)
      this.#sweeper = undefined
    }
    this.#pump()
  }

  #settle(outgoing: Outgoing, error?: unknown): void {
    if (outgoing.settled) return
    outgoing.settled = true
    outgoing.message = undefined
    this.#flight.abandon(outgoing)
    this.#suspects.clear(outgoing)
    this.#pending--
    this.#pendingBytes -= outgoing.bytes
    if (error === undefined) {
      outgoing.confirmed = true
      outgoing.resolve()
    } else {
      outgoing.reject(error)
    }
    if (this.#pending === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  #unconfirmed({ id, confirmTimeoutMs, writtenAt, problem }: Outgoing): UnconfirmedError {
    const now = this.#connection.blocked ? 'the broker blocks publishers: a memory or disk alarm' : problem
    return new UnconfirmedError(id, confirmTimeoutMs, writtenAt !== -1, now)
  }
}

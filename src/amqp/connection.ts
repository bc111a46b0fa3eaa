/**
 * Keeps one connection to RabbitMQ open: it rotates through the addresses, reconnects with jittered back-off, and emits `open`
 * and `lost`. It owns only the socket: channels belong to the listeners of `open`, and are dead after `lost`.
 *
 * Every opened connection gets the next epoch number. Ignore everything that arrives for an older epoch.
 *
 *     idle ──open()──▶ connecting ──▶ open ──lost──▶ waiting ──▶ connecting …
 *                          │ ▲                          │
 *                          └─┴── failed: waiting ◀──────┘      close(): any ──▶ closing ──▶ closed
 *
 * Each state ends by itself: an attempt has a time limit (`dial.ts`), a pause has a length, heartbeats end a connection whose
 * peer is gone, and an unanswered close is forced. A connection counts as good once it has lasted as long as the longest pause.
 * Until then its loss counts as another failure, and the pauses grow, to at most a second, because the broker does answer.
 */
import { EventEmitter } from 'node:events'
import type { ChannelModel } from 'amqplib'
import { AccessRefusedError, BrokerUnreachableError, ClosedError, textOf } from '../errors/index.js'
import type { ConnectionRole, ConnectionState } from '../observe/events.js'
import { pause, startTimer } from '../timers.js'
import { type Address, redacted } from './address.js'
import { setAside } from './aside.js'
import { jittered } from './backoff.js'
import { type Broker, brokerOf } from './broker.js'
import { DialError, dial, HANDSHAKE_TIMEOUT_MS, hangUp } from './dial.js'
import { Lifecycle } from './lifecycle.js'
import { cut, isDead } from './socket.js'

export interface ConnectionOptions {
  readonly addresses: readonly Address[]
  readonly role: ConnectionRole
  /** Shown as the connection's name in RabbitMQ's management page. */
  readonly name: string
  readonly heartbeatSeconds: number
  readonly connectTimeoutMs: number
  readonly reconnectInitialDelayMs: number
  readonly reconnectMaxDelayMs: number
}

export interface ConnectionEvents {
  state: [{ role: ConnectionRole; state: ConnectionState; address: string; epoch: number; reason?: string }]
  open: [{ model: ChannelModel; epoch: number }]
  lost: [{ epoch: number; reason: string }]
  blocked: [{ role: ConnectionRole; reason: string }]
  unblocked: [{ role: ConnectionRole; blockedMs: number }]
}

/** If amqplib does not report the end of a broken connection within this time, it is abandoned. */
const END_TIMEOUT_MS = 2_000
/** The longest pause after a connection that opened and was lost before it counted as good. */
const SHORT_LIVED_MAX_DELAY_MS = 1_000

export class Connection extends EventEmitter<ConnectionEvents> {
  readonly #options: ConnectionOptions
  readonly #life: Lifecycle<ConnectionState>
  readonly #closing = new AbortController()
  #model: ChannelModel | undefined
  #epoch = 0
  #turn = 0
  /** How many attempts in a row led to no good connection. */
  #failures = 0
  #openedAt = 0
  #opening: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #blockedSince: number | undefined
  /** The calls that closed a connection the last time, kept for later connections. */
  readonly #costly = new Set<string>()

  constructor(options: ConnectionOptions) {
    super()
    this.setMaxListeners(0)
    this.#options = options
    // Each process starts at a different address, so that processes spread across the nodes.
    this.#turn = Math.floor(Math.random() * options.addresses.length)
    this.#life = new Lifecycle<ConnectionState>(
      `${options.role} connection`,
      'idle',
      {
        idle: ['connecting', 'closed'],
        connecting: ['open', 'waiting', 'closing', 'idle'],
        open: ['waiting', 'closing'],
        waiting: ['connecting', 'closing'],
        closing: ['closed'],
        closed: [],
      },
      (state, _from, reason) =>
        this.emit('state', {
          role: options.role,
          state,
          address: redacted(this.#address),
          epoch: this.#epoch,
          ...(reason === undefined ? {} : { reason }),
        }),
    )
  }

  get state(): ConnectionState {
    return this.#life.state
  }

  /** The open connection, or undefined while there is none. */
  get model(): ChannelModel | undefined {
    return this.#model
  }

  get epoch(): number {
    return this.#epoch
  }

  get blocked(): boolean {
    return this.#blockedSince !== undefined
  }

  /** The broker's properties, while connected. */
  get broker(): Broker | undefined {
    return this.#model === undefined ? undefined : brokerOf(this.#model)
  }

  /**
   * Opens the first connection, trying every address repeatedly until `connectTimeoutMs`.
   * Throws `AccessRefusedError` at once, `BrokerUnreachableError` when the time is over.
   */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<void> {
    if (this.#closing.signal.aborted) throw new ClosedError('The connection')
    this.#life.to('connecting')
    const endsAt = performance.now() + this.#options.connectTimeoutMs
    const problems = new Map<string, string>()
    for (;;) {
      const address = redacted(this.#address)
      try {
        this.#adopt(await this.#dial(endsAt - performance.now()))
        return
      } catch (error) {
        if (this.#closing.signal.aborted) throw new ClosedError('The connection')
        // The last attempt may have had no time for an answer; the error of an earlier one is more useful.
        const silent = error instanceof DialError && error.silent
        if (!silent || !problems.has(address)) problems.set(address, textOf(error))
        const refused = error instanceof DialError && error.refused
        const waitMs = this.#backoff(this.#failures++)
        if (refused || performance.now() + waitMs >= endsAt) {
          this.#failures = 0
          this.#life.to('idle', textOf(error))
          throw refused ? new AccessRefusedError(address, error) : new BrokerUnreachableError(problems, error)
        }
        this.#turn++
        await pause(waitMs, this.#closing.signal)
      }
    }
  }

  /** Closes permanently, within a few seconds. Safe at any time, and more than once. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    if (this.#life.state === 'idle') return this.#life.to('closed')
    const model = this.#model
    this.#life.to('closing')
    if (model !== undefined) await hangUp(model)
    this.#model = undefined
    this.#life.to('closed')
  }

  /** The current address, or the next one to try. */
  get address(): Omit<Address, 'password'> {
    return this.#address
  }

  get #address(): Address {
    const { addresses } = this.#options
    // The parser checks that the list is not empty.
    return addresses[this.#turn % addresses.length] as Address
  }

  #backoff(failures: number, maxMs = this.#options.reconnectMaxDelayMs): number {
    const { reconnectInitialDelayMs, addresses } = this.#options
    // The delay only grows after all addresses were tried, because another node may be up.
    return jittered(reconnectInitialDelayMs, Math.floor(failures / addresses.length), maxMs)
  }

  #dial(withinMs: number): Promise<ChannelModel> {
    const timeoutMs = Math.max(1, Math.min(HANDSHAKE_TIMEOUT_MS, withinMs))
    return dial(this.#address, this.#options, timeoutMs, this.#closing.signal)
  }

  #adopt(model: ChannelModel): void {
    // `close()` may have been called, or the connection lost, in the same turn in which it opened.
    const closing = this.#closing.signal.aborted
    if (closing || isDead(model)) {
      void hangUp(model)
      throw closing ? new ClosedError('The connection') : new Error('lost as soon as it was open')
    }
    const epoch = ++this.#epoch
    this.#model = model
    this.#openedAt = performance.now()
    setAside(model, { open: () => this.#dial(HANDSHAKE_TIMEOUT_MS), costly: this.#costly })
    let reason = 'closed by the broker'
    let cancelEnd = (): void => undefined
    const lose = (error?: Error): void => {
      cancelEnd()
      this.#lose(model, epoch, error === undefined ? reason : textOf(error))
    }
    // amqplib emits `error` and then `close` for one loss; `error` has the reason, and only `close` changes the state. `close`
    // is missing if amqplib itself closes and the broker does not answer.
    model.once('error', (error: unknown) => {
      reason = textOf(error)
      cancelEnd = startTimer(END_TIMEOUT_MS, lose)
    })
    model.once('close', lose)
    model.on('blocked', (why) => {
      this.#blockedSince ??= performance.now()
      this.emit('blocked', { role: this.#options.role, reason: why })
    })
    model.on('unblocked', () => this.#unblock())
    this.#life.to('open')
    this.emit('open', { model, epoch })
  }

  #unblock(): void {
    if (this.#blockedSince === undefined) return
    const blockedMs = performance.now() - this.#blockedSince
    this.#blockedSince = undefined
    this.emit('unblocked', { role: this.#options.role, blockedMs })
  }

  #lose(model: ChannelModel, epoch: number, reason: string): void {
    cut(model)
    if (this.#model !== model) return
    this.#model = undefined
    const good = performance.now() - this.#openedAt >= this.#options.reconnectMaxDelayMs
    this.#failures = good ? 0 : this.#failures + 1
    this.#unblock()
    const closing = this.#life.in('closing', 'closed')
    if (!closing) this.#life.to('waiting', reason)
    this.emit('lost', { epoch, reason })
    if (!closing) void this.#reconnect()
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closing
    let maxMs = SHORT_LIVED_MAX_DELAY_MS
    while (!signal.aborted) {
      // After a good connection the first attempt is immediate and at the next address, because the node that disconnected is
      // probably the one in trouble.
      this.#turn++
      if (this.#failures > 0) await pause(this.#backoff(this.#failures - 1, maxMs), signal)
      if (signal.aborted) return
      this.#life.to('connecting')
      try {
        this.#adopt(await this.#dial(HANDSHAKE_TIMEOUT_MS))
        return
      } catch (error) {
        if (signal.aborted) return
        this.#failures++
        maxMs = this.#options.reconnectMaxDelayMs
        this.#life.to('waiting', textOf(error))
      }
    }
  }
}

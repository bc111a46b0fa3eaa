/**
 * One connection to RabbitMQ that is kept up: it rotates over the addresses, reconnects with jittered back-off, and
 * says when it is open and when it was lost. It owns the socket and nothing else: channels belong to those who ask for
 * them on `open`, and are dead after `lost`.
 *
 * Every connection that opens gets the next epoch number. Whatever arrives for an older epoch is to be ignored.
 *
 *     idle ──open()──▶ connecting ──▶ open ──lost──▶ waiting ──▶ connecting …
 *                          │ ▲                          │
 *                          └─┴── failed: waiting ◀──────┘      close(): any ──▶ closing ──▶ closed
 */
import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type ChannelModel, connect } from 'amqplib'
import { AccessRefusedError, BrokerUnreachableError, ClosedError, textOf } from '../errors/index.js'
import type { ConnectionRole, ConnectionState } from '../observe/events.js'
import { type Address, redacted } from './address.js'
import { jittered } from './backoff.js'
import { extendCodec } from './codec.js'
import { Lifecycle } from './lifecycle.js'
import { cut, writeTogether } from './socket.js'

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

/** How long a polite close may take before the socket is cut: a frozen broker answers never. */
const CLOSE_TIMEOUT_MS = 2_000
/** How long one address gets for TCP, TLS and the AMQP handshake. */
const HANDSHAKE_TIMEOUT_MS = 5_000

export class Connection extends EventEmitter<ConnectionEvents> {
  readonly #options: ConnectionOptions
  readonly #life: Lifecycle<ConnectionState>
  readonly #closing = new AbortController()
  #model: ChannelModel | undefined
  #epoch = 0
  #turn = 0
  #blockedSince: number | undefined

  constructor(options: ConnectionOptions) {
    super()
    this.setMaxListeners(0)
    this.#options = options
    // Start each process at another address, so that many of them spread over the nodes.
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

  /** RabbitMQ's version, once connected. */
  get serverVersion(): string | undefined {
    return this.#model?.connection.serverProperties.version
  }

  /**
   * Opens the first connection, trying every address again and again until `connectTimeoutMs`.
   * Throws `AccessRefusedError` at once, `BrokerUnreachableError` when the time is over.
   */
  async open(): Promise<void> {
    this.#life.to('connecting')
    const deadline = Date.now() + this.#options.connectTimeoutMs
    let failures = 0
    for (;;) {
      try {
        this.#adopt(await this.#dial())
        return
      } catch (error) {
        if (this.#closing.signal.aborted) throw new ClosedError('The connection')
        const refused = accessRefused(error)
        const wait = this.#backoff(failures++)
        if (refused || Date.now() + wait > deadline) {
          this.#life.to('idle', textOf(error))
          throw refused
            ? new AccessRefusedError(redacted(this.#address), error)
            : new BrokerUnreachableError(this.#options.addresses.map(redacted), error)
        }
        this.#turn++
        await delay(wait, undefined, { signal: this.#closing.signal }).catch(() => undefined)
      }
    }
  }

  /** Closes for good. Safe at any time and twice. */
  async close(): Promise<void> {
    if (this.#life.in('closing', 'closed')) return
    this.#closing.abort()
    if (this.#life.state === 'idle') return this.#life.to('closed')
    const model = this.#model
    this.#life.to('closing')
    if (model !== undefined) await hangUp(model)
    this.#model = undefined
    this.#life.to('closed')
  }

  get #address(): Address {
    const { addresses } = this.#options
    // The list is checked to be non-empty where it is parsed.
    return addresses[this.#turn % addresses.length] as Address
  }

  #backoff(failures: number): number {
    const { reconnectInitialDelayMs, reconnectMaxDelayMs, addresses } = this.#options
    // The delay grows once all addresses were tried: another node may well be up.
    return jittered(reconnectInitialDelayMs, Math.floor(failures / addresses.length), reconnectMaxDelayMs)
  }

  async #dial(): Promise<ChannelModel> {
    const address = this.#address
    const model = await connect(
      { ...address, heartbeat: this.#options.heartbeatSeconds },
      {
        noDelay: true,
        timeout: Math.min(HANDSHAKE_TIMEOUT_MS, this.#options.connectTimeoutMs),
        clientProperties: { connection_name: this.#options.name },
      },
    )
    if (this.#closing.signal.aborted) {
      await hangUp(model)
      throw new ClosedError('The connection')
    }
    return model
  }

  #adopt(model: ChannelModel): void {
    this.#model = model
    extendCodec(model)
    writeTogether(model)
    const epoch = ++this.#epoch
    let reason = 'closed by the broker'
    // amqplib emits `error` and then `close` for one loss; only `close` moves the state, `error` tells why.
    model.on('error', (error) => {
      reason = textOf(error)
    })
    model.once('close', (error?: Error) => this.#lose(model, epoch, error === undefined ? reason : textOf(error)))
    model.on('blocked', (why) => {
      this.#blockedSince = Date.now()
      this.emit('blocked', { role: this.#options.role, reason: why })
    })
    model.on('unblocked', () => this.#unblock())
    this.#life.to('open')
    this.emit('open', { model, epoch })
  }

  #unblock(): void {
    if (this.#blockedSince === undefined) return
    const blockedMs = Date.now() - this.#blockedSince
    this.#blockedSince = undefined
    this.emit('unblocked', { role: this.#options.role, blockedMs })
  }

  #lose(model: ChannelModel, epoch: number, reason: string): void {
    cut(model)
    if (this.#model !== model) return
    this.#model = undefined
    this.#unblock()
    const closing = this.#life.in('closing', 'closed')
    if (!closing) this.#life.to('waiting', reason)
    this.emit('lost', { epoch, reason })
    if (!closing) void this.#reconnect()
  }

  async #reconnect(): Promise<void> {
    for (let failures = 0; !this.#closing.signal.aborted; failures++) {
      // The first try is immediate and at the next address: the node that hung up is likely the one in trouble.
      this.#turn++
      if (failures > 0) {
        await delay(this.#backoff(failures - 1), undefined, { signal: this.#closing.signal }).catch(() => undefined)
        if (this.#closing.signal.aborted) return
      }
      this.#life.to('connecting')
      try {
        this.#adopt(await this.#dial())
        return
      } catch (error) {
        if (this.#closing.signal.aborted) return
        this.#life.to('waiting', textOf(error))
      }
    }
  }
}

/**
 * Whether trying again is of no use: a wrong password (403), or a virtual host that is not there or not allowed (530),
 * of which amqplib says no more than that `connection.close` came instead of `open-ok`.
 */
const accessRefused = (error: unknown): boolean =>
  /ACCESS.REFUSED|NOT.ALLOWED|Expected ConnectionOpenOk; got <ConnectionClose/i.test(textOf(error))

async function hangUp(model: ChannelModel): Promise<void> {
  const patience = new AbortController()
  await Promise.race([
    model.close().catch(() => undefined),
    delay(CLOSE_TIMEOUT_MS, undefined, { signal: patience.signal }).catch(() => undefined),
  ])
  patience.abort()
  cut(model)
}

/**
 * What the store announces to this process, over a connection of its own: the results of everything that its producer
 * sent, on one reply channel, and the states of single tasks that somebody follows, on Celery's channel for each. The
 * store keeps no announcement, so each is only a hint to look; whoever waits also looks now and then.
 */
import { withDeadline } from '../amqp/deadline.js'
import type { StoreConnection } from './connection.js'
import { announced } from './script.js'

/** Who has to know when announcements were missed. */
export interface Attendant {
  readonly heard: (text: string) => void
  /** Announcements may be missed from now on. */
  readonly lost: () => void
  /** They come again: time to look what was missed. */
  readonly renewed: () => void
}

/** How long the store gets to confirm that a subscription stands again. */
const SUBSCRIBE_LIMIT_MS = 5_000

export class Announcements {
  readonly #connection: StoreConnection
  readonly #replyChannel: string
  readonly #listeners = new Map<string, Set<(text: string) => void>>()
  /** By channel. */
  readonly #attendants = new Map<string, Attendant>()
  #subscribed: Promise<unknown> | undefined
  #closed = false

  /** `heard` is called for each result on the reply channel. */
  constructor(connection: StoreConnection, replyChannel: string, heard: (text: string) => void) {
    this.#connection = connection
    this.#replyChannel = replyChannel
    // Without it, waits are slower and nothing else: it has no say in whether the store is available.
    connection.on('error', () => undefined)
    connection.on('message', (channel: string, text: string) => {
      if (channel === replyChannel) for (const result of announced(text)) heard(result)
      else for (const listener of [...(this.#listeners.get(channel) ?? [])]) listener(text)
      this.#attendants.get(channel)?.heard(text)
    })
    connection.on('close', () => {
      if (!this.#closed) for (const { lost } of this.#attendants.values()) lost()
    })
    connection.on('ready', () => void this.#renew())
  }

  /** Resolves once announcements on the reply channel come. To be called again after it failed. */
  subscribe(): Promise<unknown> {
    this.#subscribed ??= this.#connection.subscribe(this.#replyChannel).catch((error) => {
      this.#subscribed = undefined
      throw error
    })
    return this.#subscribed
  }

  /** Calls `listener` for what is announced on a channel. Returns what ends that. */
  listen(channel: string, listener: (text: string) => void): () => void {
    const others = this.#listeners.get(channel)
    if (others !== undefined) {
      others.add(listener)
    } else {
      this.#listeners.set(channel, new Set([listener]))
      // Refused, or cut off by `close`: then nothing is announced, and whoever follows looks now and then.
      this.#connection.subscribe(channel).catch(() => undefined)
    }
    return () => {
      const listeners = this.#listeners.get(channel)
      if (!listeners?.delete(listener) || listeners.size > 0) return
      this.#listeners.delete(channel)
      this.#connection.unsubscribe(channel).catch(() => undefined)
    }
  }

  /** As `listen`, for one who has to know what was missed. Rejects when it cannot subscribe; then it may be called again. */
  async attend(channel: string, attendant: Attendant): Promise<void> {
    this.#attendants.set(channel, attendant)
    try {
      await this.#connection.subscribe(channel)
    } catch (error) {
      this.#attendants.delete(channel)
      throw error
    }
  }

  /** Connects anew: whatever ended another connection may not end this one, and a demoted primary announces ever less. */
  reconnect(): void {
    if (this.#closed) return
    const used = this.#subscribed !== undefined || this.#listeners.size > 0 || this.#attendants.size > 0
    if (used) this.#connection.disconnect(true)
  }

  close(): void {
    this.#closed = true
    this.#connection.disconnect()
  }

  /** The client has sent its subscriptions again; that they stand shows when one more of each is confirmed. */
  async #renew(): Promise<void> {
    for (const [channel, { renewed }] of this.#attendants) {
      const subscribing = this.#connection.subscribe(channel)
      const stands = await withDeadline(subscribing, SUBSCRIBE_LIMIT_MS, 'subscribing').then(
        () => true,
        () => false,
      )
      if (stands && !this.#closed) renewed()
    }
  }
}

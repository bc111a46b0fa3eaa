/** What drills ask RabbitMQ and the result store directly, past Warren: queues, leaders, policies, dead letters, results. */
import { type Channel, type ChannelModel, type ConsumeMessage, connect } from 'amqplib'
import { Redis } from 'iovalkey'
import { deadLetterQueue, domainOf, headers, resultKey, storeOptions, taskQueue, textOf } from 'warren'
import { createAccount, createInvoice, SERVICE } from '../demo/tasks.js'
import { QUEUE_KEYS, type QueueKey } from './timeline.js'

const TASKS = { user: createAccount, payment: createInvoice } as const

export const queueName = (queue: QueueKey): string => taskQueue(TASKS[queue].name, SERVICE)
export const queueTypeOf = (queue: QueueKey): 'classic' | 'quorum' => TASKS[queue].queue.type
const deadLettersOf = (queue: QueueKey): string => deadLetterQueue(domainOf(TASKS[queue].name))

/** One of the two queues that the load goes to, or the queue of its dead letters. */
export type QueueRef = QueueKey | { readonly deadLettersOf: QueueKey }

export const nameOfQueue = (queue: QueueRef): string =>
  typeof queue === 'string' ? queueName(queue) : deadLettersOf(queue.deadLettersOf)

const REQUEST_TIMEOUT_MS = 5_000
const RESULT_BATCH = 500
const PREFETCH = 2_000
const SILENCE_MS = 2_000

/** RabbitMQ's management API as `admin`, on the first node that answers. */
export class Management {
  readonly #addresses: readonly string[]
  readonly #authorization: string

  constructor(addresses: readonly string[], password: string) {
    this.#addresses = addresses
    this.#authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  }

  async request<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    let problem: unknown
    for (const address of this.#addresses) {
      try {
        const response = await fetch(`${address}/api${path}`, {
          method,
          headers: { authorization: this.#authorization, 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        })
        const text = await response.text()
        if (!response.ok)
          throw new Error(`${method} ${path} was answered with ${response.status} ${text.slice(0, 200)}`)
        return (text === '' ? undefined : JSON.parse(text)) as T
      } catch (error) {
        problem = error
      }
    }
    throw problem
  }

  queue(queue: QueueRef): Promise<QueueInfo> {
    return this.request('GET', `/queues/%2F/${encodeURIComponent(nameOfQueue(queue))}`)
  }

  /** The nodes that lead the quorum queues whose names begin so, by queue. */
  async leaders(prefix: string): Promise<ReadonlyMap<string, string>> {
    const all = await this.request<readonly { name: string; leader?: string }[]>(
      'GET',
      '/queues/%2F?columns=name,leader',
    )
    return new Map(all.filter(({ name }) => name.startsWith(prefix)).map(({ name, leader = '' }) => [name, leader]))
  }
}

/** As much of RabbitMQ's answer as drills need. Nodes are named as `rabbitmq-1@localhost`. */
export interface QueueInfo {
  readonly state?: string
  /** The leader's node of a quorum queue, the home node of a classic one. */
  readonly node?: string
  readonly leader?: string
  readonly members?: readonly string[]
  readonly online?: readonly string[]
  readonly consumers?: number
}

/** A connection for one question. */
async function asking<T>(url: string, ask: (model: ChannelModel) => Promise<T>): Promise<T> {
  const model = await connect(url, { timeout: REQUEST_TIMEOUT_MS })
  // The answer fails with it; an error event without a listener would end the process.
  model.on('error', () => {})
  try {
    return await ask(model)
  } finally {
    await model.close().catch(() => undefined)
  }
}

/** RabbitMQ's version, as it says in its greeting. */
export const serverVersion = (url: string): Promise<string> =>
  asking(url, async (model) => String(model.connection.serverProperties.version))

/** The queues that hold messages which wait to be delivered. */
export function holdingQueues(url: string): Promise<Set<QueueKey>> {
  return asking(url, async (model) => {
    const holding = new Set<QueueKey>()
    for (const queue of QUEUE_KEYS) {
      const channel = await model.createChannel()
      channel.on('error', () => {})
      if ((await channel.checkQueue(queueName(queue))).messageCount > 0) holding.add(queue)
      await channel.close()
    }
    return holding
  })
}

export function purgeQueues(url: string): Promise<void> {
  return asking(url, async (model) => {
    const channel = await model.createChannel()
    channel.on('error', () => {})
    for (const queue of QUEUE_KEYS) await channel.purgeQueue(queueName(queue))
  })
}

export interface DeadLetter {
  readonly id: string
  readonly queue: QueueKey
  readonly reason: string
}

/**
 * Takes dead letters out of both dead-letter queues. Those that are not `mine` go back: on a cluster of somebody's own
 * they are somebody's. A cluster without these queues has none.
 */
export function takeDeadLetters(
  url: string,
  mine: (id: string) => boolean,
  found: (letter: DeadLetter) => void = () => {},
): Promise<void> {
  return asking(url, async (model) => {
    for (const queue of QUEUE_KEYS) {
      const channel = await model.createChannel()
      channel.on('error', () => {})
      const { messageCount } = await channel.checkQueue(deadLettersOf(queue)).catch(absent)
      // By consuming: `basic.get` on a quorum queue takes tens of milliseconds for each.
      if (messageCount > 0) {
        await receive(channel, deadLettersOf(queue), messageCount, (message) => {
          const all = message.properties.headers ?? {}
          const id = String(all.id ?? message.properties.messageId)
          // Held, and so given back when the channel closes.
          if (!mine(id)) return
          found({ id, queue, reason: reasonOf(all) })
          channel.ack(message)
        })
      }
      // Where there is no such queue, the broker has closed it already.
      await channel.close().catch(() => undefined)
    }
  })
}

/** Consumes until `count` messages came, or none comes any more. */
async function receive(
  channel: Channel,
  queue: string,
  count: number,
  take: (message: ConsumeMessage) => void,
): Promise<void> {
  await channel.prefetch(PREFETCH)
  await new Promise<void>((resolve, reject) => {
    let left = count
    const silence = setTimeout(resolve, SILENCE_MS)
    channel.once('close', () => reject(new Error(`the channel on ${queue} was closed`)))
    channel
      .consume(queue, (message) => {
        if (message === null) return reject(new Error(`the consumer of ${queue} was cancelled`))
        silence.refresh()
        take(message)
        if (--left > 0) return
        clearTimeout(silence)
        resolve()
      })
      .catch(reject)
  })
}

function absent(error: unknown): { messageCount: number } {
  if (/NOT[_-]FOUND - no queue/.test(textOf(error))) return { messageCount: 0 }
  throw error
}

/** Warren's own reason, or the broker's: expired, rejected, delivery_limit. */
function reasonOf(all: Record<string, unknown>): string {
  const own = all[headers.reason]
  if (typeof own === 'string') return own
  const deaths = all['x-death']
  const first: unknown = Array.isArray(deaths) ? deaths[0]?.reason : undefined
  return typeof first === 'string' ? first : 'unknown'
}

/** Reads the result store. */
export class ResultReader {
  readonly #store: Redis

  constructor(url: string) {
    this.#store = new Redis({
      ...storeOptions(url),
      ...{ lazyConnect: true, maxRetriesPerRequest: 1, commandTimeout: REQUEST_TIMEOUT_MS },
    })
    // Each read fails with it.
    this.#store.on('error', () => {})
  }

  /** Calls back with each of the ids whose SUCCESS is stored. */
  async successes(ids: Iterable<string>, found: (id: string) => void): Promise<void> {
    let batch: string[] = []
    const read = async () => {
      const texts = await this.#store.mget(batch.map(resultKey))
      for (const [index, text] of texts.entries()) {
        const id = batch[index]
        if (id !== undefined && isSuccess(text)) found(id)
      }
      batch = []
    }
    for (const id of [...ids]) {
      batch.push(id)
      if (batch.length === RESULT_BATCH) await read()
    }
    if (batch.length > 0) await read()
  }

  close(): void {
    this.#store.disconnect()
  }
}

function isSuccess(text: string | null): boolean {
  if (text === null) return false
  try {
    return (JSON.parse(text) as { status?: unknown }).status === 'SUCCESS'
  } catch (error) {
    throw new Error(`the result store holds something that is no result: ${textOf(error)}`)
  }
}

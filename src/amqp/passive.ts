/** Read-only queries to the broker, each on a separate channel, because a negative answer closes the channel. */
import type { Channel, ChannelModel } from 'amqplib'
import { AccessRefusedError, QueueUnavailableError } from '../errors/index.js'
import { CHANNEL_TIMEOUT_MS, withChannel } from './channel.js'

/** The answer of a passive declare. A quorum queue with a slow leader reports 0 for both. */
export interface QueueFacts {
  readonly messageCount: number
  readonly consumerCount: number
}

const codeOf = (error: unknown): number | undefined => (error as { code?: number } | undefined)?.code

/** Whether an exchange of this name exists, of whatever type. Throws if the broker cannot answer. */
export async function exchangeExists(
  model: ChannelModel,
  exchange: string,
  timeoutMs = CHANNEL_TIMEOUT_MS,
): Promise<boolean> {
  try {
    const what = `asking for exchange ${exchange}`
    await withChannel(model, what, (channel) => channel.checkExchange(exchange), timeoutMs)
    return true
  } catch (error) {
    if (codeOf(error) === 404) return false
    if (codeOf(error) === 403) throw new AccessRefusedError(`exchange ${exchange}`, error)
    throw error
  }
}

/**
 * The broker's answer for a queue, or undefined if the queue, or the exchange in front of it, does not exist. Throws
 * `QueueUnavailableError` for a queue that exists but cannot be used now, and `AccessRefusedError`.
 */
export async function queueFacts(
  model: ChannelModel,
  queue: string,
  timeoutMs = CHANNEL_TIMEOUT_MS,
  exchange?: string,
): Promise<QueueFacts | undefined> {
  try {
    const ask = async (channel: Channel) => {
      const facts = await channel.checkQueue(queue)
      if (exchange !== undefined) await channel.checkExchange(exchange)
      return facts
    }
    const facts = await withChannel(model, `asking for queue ${queue}`, ask, timeoutMs)
    return { messageCount: facts.messageCount, consumerCount: facts.consumerCount }
  } catch (error) {
    if (codeOf(error) === 404 && /no exchange/i.test(String((error as Error).message))) return undefined
    // A queue whose only node is down also returns 404, with a different text: "home node '…' … is down or inaccessible".
    if (codeOf(error) === 404 && /no queue/i.test(String((error as Error).message))) return undefined
    if (codeOf(error) === 403) throw new AccessRefusedError(`queue ${queue}`, error)
    throw new QueueUnavailableError(queue, error)
  }
}

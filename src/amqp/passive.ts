/** Questions to the broker that change nothing, each on a channel of its own: "it is not there" closes the channel. */
import type { Channel, ChannelModel } from 'amqplib'
import { AccessRefusedError, QueueUnavailableError } from '../errors/index.js'
import { CHANNEL_TIMEOUT_MS, withChannel } from './channel.js'

/** What a passive declare says of a queue. A quorum queue whose leader is slow says 0 of both. */
export interface QueueFacts {
  readonly messageCount: number
  readonly consumerCount: number
}

const codeOf = (error: unknown): number | undefined => (error as { code?: number } | undefined)?.code

/** Whether an exchange of this name exists, of whatever type. Throws when the broker cannot say. */
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
 * What the broker says of a queue, or undefined when there is none of this name, or no such exchange before it. Throws
 * `QueueUnavailableError` for one that is there and cannot be used now, and `AccessRefusedError`.
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
    // A queue whose only node is down is 404, too, with other words: "home node '…' … is down or inaccessible".
    if (codeOf(error) === 404 && /no queue/i.test(String((error as Error).message))) return undefined
    if (codeOf(error) === 403) throw new AccessRefusedError(`queue ${queue}`, error)
    throw new QueueUnavailableError(queue, error)
  }
}

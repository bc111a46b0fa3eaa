/** Taking up a queue of tokens: it is declared, bound to what is due, and gets a channel. */
import { closeChannel, openChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import { DelaysMissingError } from '../errors/index.js'
import { declareTokenQueue } from '../time/ticksQueue.js'
import type { TakenUp } from './takeUp.js'

/** Rejects while it cannot be consumed. */
export async function takeUpTokens(connection: Connection, queue: string): Promise<TakenUp> {
  const { model } = connection
  if (model === undefined) throw new Error('no connection to the broker')
  const delayProblem = await declareTokenQueue(model, queue).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof DelaysMissingError) return error.message
      throw error
    },
  )
  const channel = await openChannel(model, `opening a channel for ${queue}`)
  if (connection.model === model) return { channel, delayProblem }
  void closeChannel(channel)
  throw new Error('the connection was lost meanwhile')
}

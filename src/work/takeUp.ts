/** Taking up a queue: what it and its way in need is declared, and a channel for its messages is opened. */
import type { Channel, ChannelModel } from 'amqplib'
import { closeChannel, openChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import { declareQueue, type QueueDeclaration } from '../amqp/declare.js'
import { AccessRefusedError, DelaysMissingError, QueueMismatchError, QueueUnavailableError } from '../errors/index.js'
import { bindDue } from '../time/bindDue.js'
import { bindCeleryDelays } from '../time/celeryLevels.js'

export interface TakenUp {
  readonly channel: Channel
  /** Why messages of this queue cannot be delayed, when they cannot. */
  readonly delayProblem: string | undefined
}

export type TakeUp = (connection: Connection, declaration: QueueDeclaration) => Promise<TakenUp>

/** Throws `QueueMismatchError`, `AccessRefusedError`, `QueueUnavailableError`, or what else went wrong. */
export async function takeUp(connection: Connection, declaration: QueueDeclaration): Promise<TakenUp> {
  const { model } = connection
  if (model === undefined) throw new Error('no connection to the broker')
  await declareQueue(model, declaration)
  const { queue, binding } = declaration
  const delayProblem = await bindToDue(model, declaration)
  await bindCeleryDelays(model, queue.name, binding.routingKey)
  const channel = await openChannel(model, `opening a channel for ${declaration.queue.name}`)
  if (connection.model === model) return { channel, delayProblem }
  void closeChannel(channel)
  throw new Error('the connection was lost meanwhile')
}

/** Without the delay levels tasks run all the same; only what is to wait cannot come back to the queue. */
async function bindToDue(model: ChannelModel, { queue, binding }: QueueDeclaration): Promise<string | undefined> {
  try {
    await bindDue(model, queue.name, binding.routingKey)
    return undefined
  } catch (error) {
    if (error instanceof DelaysMissingError) return error.message
    throw error
  }
}

/** Whether trying again is of no use until somebody has changed something. */
export const isRefused = (error: unknown): error is Error =>
  error instanceof QueueMismatchError || error instanceof AccessRefusedError

/** The reason why a queue is not consumed, as one of the errors above. */
export const asQueueError = (queue: string, error: unknown): Error =>
  isRefused(error) || error instanceof QueueUnavailableError ? error : new QueueUnavailableError(queue, error)

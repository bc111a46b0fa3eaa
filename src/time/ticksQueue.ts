/** The queues that receive due tokens: one for each service's schedules, and one for all flows. */
import type { ChannelModel } from 'amqplib'
import { withCare } from '../amqp/aside.js'
import { withChannel } from '../amqp/channel.js'
import { declarePlan } from '../amqp/declarePlan.js'
import { exchangeExists } from '../amqp/passive.js'
import { AccessRefusedError, DelaysMissingError, QueueUnavailableError, textOf } from '../errors/index.js'
import { queueKey } from '../wire/delayedKey.js'
import { DELAY_DUE, ticksQueue } from '../wire/names.js'
import { DUE_PLAN } from './delayLevels.js'

/** The services whose queues are known to exist. */
const ensured = new WeakMap<ChannelModel, Map<string, Promise<void>>>()

export const ensureTicksQueue = (model: ChannelModel, service: string): Promise<void> =>
  ensureTokenQueue(model, ticksQueue(service))

/** Declares it once on each connection. Throws like `declareTokenQueue`. */
export function ensureTokenQueue(model: ChannelModel, queue: string): Promise<void> {
  const queues = ensured.get(model) ?? new Map<string, Promise<void>>()
  ensured.set(model, queues)
  let declaring = queues.get(queue)
  if (declaring === undefined) {
    declaring = declareTokenQueue(model, queue)
    queues.set(queue, declaring)
    declaring.catch(() => queues.delete(queue))
  }
  return declaring
}

/**
 * Declares it and binds it to the exchange for due messages; all of it may already exist. Throws `AccessRefusedError`,
 * `DelaysMissingError`, `QueueUnavailableError`.
 */
export async function declareTokenQueue(model: ChannelModel, queue: string): Promise<void> {
  await withCare(model, queue, (line) =>
    withChannel(line, `declaring ${queue}`, (channel) =>
      channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } }),
    ),
  ).catch((error: unknown) => {
    throw codeOf(error) === 403
      ? new AccessRefusedError(`queue ${queue}`, error)
      : new QueueUnavailableError(queue, error)
  })
  try {
    if (!(await exchangeExists(model, DELAY_DUE))) await declarePlan(model, `declaring ${DELAY_DUE}`, DUE_PLAN)
    await withChannel(model, `binding ${queue} to ${DELAY_DUE}`, (channel) =>
      channel.bindQueue(queue, DELAY_DUE, queueKey(queue)),
    )
  } catch (error) {
    throw codeOf(error) === 403 ? new DelaysMissingError(textOf(error), error) : error
  }
}

const codeOf = (error: unknown): number | undefined => (error as { code?: number } | undefined)?.code

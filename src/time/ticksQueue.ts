/** The queue of a service in which the tokens of its schedules are found when they are due. */
import type { ChannelModel } from 'amqplib'
import { withCare } from '../amqp/aside.js'
import { withChannel } from '../amqp/channel.js'
import { declarePlan } from '../amqp/declarePlan.js'
import { exchangeExists } from '../amqp/passive.js'
import { AccessRefusedError, DelaysMissingError, QueueUnavailableError, textOf } from '../errors/index.js'
import { queueKey } from '../wire/delayedKey.js'
import { DELAY_DUE, ticksQueue } from '../wire/names.js'
import { DUE_PLAN } from './delayLevels.js'

/** Whose queues are known to exist. */
const ensured = new WeakMap<ChannelModel, Map<string, Promise<void>>>()

/** Declares it once on each connection. Throws what `declareTicksQueue` throws. */
export function ensureTicksQueue(model: ChannelModel, service: string): Promise<void> {
  const services = ensured.get(model) ?? new Map<string, Promise<void>>()
  ensured.set(model, services)
  let declaring = services.get(service)
  if (declaring === undefined) {
    declaring = declareTicksQueue(model, service)
    services.set(service, declaring)
    declaring.catch(() => services.delete(service))
  }
  return declaring
}

/**
 * Declares it and binds it to what is due; all of it may exist already. Throws `AccessRefusedError`,
 * `DelaysMissingError`, `QueueUnavailableError`.
 */
export async function declareTicksQueue(model: ChannelModel, service: string): Promise<void> {
  const queue = ticksQueue(service)
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

/** Binds a task's queue to the exchange for due messages, and makes that visible to senders. */
import type { ChannelModel } from 'amqplib'
import { withChannel } from '../amqp/channel.js'
import { DELAY_DUE, dueMark } from '../wire/names.js'
import { DUE_PLAN } from './delayLevels.js'
import { declareDelays, levelExists, missing } from './delayRoutes.js'
import { dueBindings } from './due.js'

/** The connections on which the exchange for due messages is known to exist. */
const due = new WeakMap<ChannelModel, Promise<void>>()

/**
 * Binds a task's queue to the exchange for due messages; declares that exchange first if the operator has not. Throws
 * `DelaysMissingError`.
 */
export async function bindDue(model: ChannelModel, queue: string, task: string): Promise<void> {
  let ensured = due.get(model)
  if (ensured === undefined) {
    ensured = ensureDue(model)
    due.set(model, ensured)
    ensured.catch(() => due.delete(model))
  }
  await ensured
  await withChannel(model, `binding ${queue} to ${DELAY_DUE}`, async (channel) => {
    for (const pattern of dueBindings(task, queue)) await channel.bindQueue(queue, DELAY_DUE, pattern)
  }).catch((error: unknown) => {
    throw missing(error)
  })
  await mark(model, queue, task)
}

async function ensureDue(model: ChannelModel): Promise<void> {
  if (!(await levelExists(model, DELAY_DUE))) await declareDelays(model, DUE_PLAN)
}

/**
 * AMQP can check exchanges but not bindings. So each queue that takes due messages is also bound to an exchange that exists as
 * long as such bindings do, and senders check whether it exists.
 */
async function mark(model: ChannelModel, queue: string, task: string): Promise<void> {
  const name = dueMark(task)
  await withChannel(model, `marking ${task} as taken`, async (channel) => {
    await channel.assertExchange(name, 'fanout', { durable: true, autoDelete: true })
    await channel.bindQueue(queue, name, '')
  }).catch((error: unknown) => {
    // Without the mark a delayed message goes to the queue at once, and a worker moves it into the levels.
    if ((error as { code?: number }).code !== 403) throw error
  })
}

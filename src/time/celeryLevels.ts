/**
 * Celery's own delay levels. From 5.5 on, a Celery client with quorum queues publishes tasks with an `eta` or a `countdown`
 * into them, and a Celery worker declares them when it starts. They end in one exchange; a queue that is not bound there gets
 * no messages from them, and its messages block the level in which they wait.
 */
import type { ChannelModel } from 'amqplib'
import { withChannel } from '../amqp/channel.js'
import { CELERY_DELAY_DUE } from '../wire/names.js'

/** Connections without such levels, or whose user may not read them. */
const without = new WeakSet<ChannelModel>()

/**
 * Binds a task's queue to them, if they exist and the user may. Simply tries: RabbitMQ 4.3 does not let a user without the
 * right to declare an exchange check whether it exists.
 */
export async function bindCeleryDelays(model: ChannelModel, queue: string, task: string): Promise<void> {
  if (without.has(model)) return
  try {
    await withChannel(model, `binding ${queue} to ${CELERY_DELAY_DUE}`, (channel) =>
      channel.bindQueue(queue, CELERY_DELAY_DUE, `#.${task}`),
    )
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code !== 404 && code !== 403) throw error
    without.add(model)
  }
}

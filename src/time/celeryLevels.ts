/**
 * Celery's own delay levels. From 5.5 on a Celery client that knows of quorum queues publishes what has an `eta` or a
 * `countdown` into them, and a Celery worker that starts declares them. Their way ends in one exchange; a queue that is
 * not bound there gets none of it, and what is for it blocks the level that it waits in.
 */
import type { ChannelModel } from 'amqplib'
import { withChannel } from '../amqp/channel.js'
import { CELERY_DELAY_DUE } from '../wire/names.js'

/** Connections on which there are no such levels, or the user may not read them. */
const without = new WeakSet<ChannelModel>()

/**
 * Binds a task's queue to them, where they exist and the user may. Just tries: RabbitMQ 4.3 refuses a user without the
 * right to declare an exchange the question whether it exists.
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

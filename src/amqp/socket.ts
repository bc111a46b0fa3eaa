/** The socket of an AMQP connection: not part of amqplib's types, but of every connection that it creates. */
import type { Duplex } from 'node:stream'
import type { ChannelModel } from 'amqplib'

/** Whether amqplib has already abandoned it, and emitted that before anyone listened. */
export const isDead = (model: ChannelModel): boolean =>
  (model.connection as { expectSocketClose?: boolean }).expectSocketClose === true ||
  socketOf(model)?.destroyed === true

const socketOf = (model: ChannelModel): Duplex | undefined => (model.connection as { stream?: Duplex }).stream

/**
 * Destroys it. amqplib only half-closes it, which a frozen or lost peer never answers, so the process could not exit. With an
 * error, because amqplib does not notice a silent end: channels and heartbeats would continue.
 */
export function cut(model: ChannelModel): void {
  socketOf(model)?.destroy(new Error('the connection was given up'))
}

/**
 * Combines all writes of one turn into one system call: amqplib writes each message separately. Thousands of system calls and
 * packets a second become a few hundred, here, in HAProxy and in RabbitMQ.
 */
export function writeTogether(model: ChannelModel): void {
  const socket = socketOf(model)
  if (socket === undefined) return
  const write = socket.write as (...args: unknown[]) => boolean
  const uncork = (): void => socket.uncork()
  socket.write = ((...args: unknown[]): boolean => {
    if (socket.writableCorked === 0) {
      socket.cork()
      process.nextTick(uncork)
    }
    return write.apply(socket, args)
  }) as typeof socket.write
}

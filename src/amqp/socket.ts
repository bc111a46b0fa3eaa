/** The socket under an AMQP connection: not part of amqplib's types, but of every connection that it makes. */
import type { Duplex } from 'node:stream'
import type { ChannelModel } from 'amqplib'

/** Whether amqplib has given it up already, and said so before anybody listened. */
export const isDead = (model: ChannelModel): boolean =>
  (model.connection as { expectSocketClose?: boolean }).expectSocketClose === true ||
  socketOf(model)?.destroyed === true

const socketOf = (model: ChannelModel): Duplex | undefined => (model.connection as { stream?: Duplex }).stream

/**
 * Cuts it. amqplib only half-closes it, and a peer that is frozen or gone never answers that, so the process could not
 * exit. With an error, since of a silent end amqplib would hear nothing: channels and heartbeats would live on.
 */
export function cut(model: ChannelModel): void {
  socketOf(model)?.destroy(new Error('the connection was given up'))
}

/**
 * Hands what is written at once to the kernel at once: amqplib writes each message by itself, and so thousands of system
 * calls and packets a second become a few hundred, here, in HAProxy and in RabbitMQ.
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

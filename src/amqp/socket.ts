/** The socket under an AMQP connection: not part of amqplib's types, but of every connection that it makes. */
import type { Duplex } from 'node:stream'
import type { ChannelModel } from 'amqplib'

const socketOf = (model: ChannelModel): Duplex | undefined => (model.connection as { stream?: Duplex }).stream

/** Cuts it. amqplib only half-closes it, and a peer that is frozen or gone never answers that, so the process could not exit. */
export function cut(model: ChannelModel): void {
  socketOf(model)?.destroy()
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

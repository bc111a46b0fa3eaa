/**
 * Connections on the side. RabbitMQ answers some calls by closing the whole connection (541 when the virtual host of a
 * queue's node is down), and with it goes whatever else was on it. Who was hit by that does the same the next time on
 * a connection of its own, for as long as it goes wrong: nobody else is disturbed.
 */
import type { ChannelModel } from 'amqplib'
import { hangUp } from './dial.js'

export interface Aside {
  /** Opens a connection of its own at the present address. Throws within the time of a handshake. */
  open(): Promise<ChannelModel>
  /** Names what cost a connection the last time. */
  readonly costly: Set<string>
}

const asides = new WeakMap<ChannelModel, Aside>()

/** Says how to open another connection like `model`. */
export const setAside = (model: ChannelModel, aside: Aside): void => void asides.set(model, aside)

/**
 * Runs `act` on `model`, or on a connection of its own when `name` cost one the last time. Throws what `act` throws.
 */
export async function withCare<T>(
  model: ChannelModel,
  name: string,
  act: (model: ChannelModel) => Promise<T>,
): Promise<T> {
  const aside = asides.get(model)
  const costly = aside?.costly.has(name) === true
  const line = costly ? await (aside as Aside).open() : model
  let closedWith: unknown
  const closing = (error: unknown): void => {
    closedWith ??= (error as { code?: unknown } | undefined)?.code
  }
  line.on('error', closing)
  try {
    const result = await act(line)
    aside?.costly.delete(name)
    return result
  } catch (error) {
    // A reply code: the broker closed it. What the socket says are words.
    if (typeof closedWith === 'number') aside?.costly.add(name)
    else aside?.costly.delete(name)
    throw error
  } finally {
    line.off('error', closing)
    if (costly) void hangUp(line)
  }
}

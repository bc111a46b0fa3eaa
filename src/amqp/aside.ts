/**
 * Separate connections for risky calls. RabbitMQ answers some calls by closing the whole connection (541 when the virtual host
 * of a queue's node is down), including everything else on it. A caller that caused this repeats the call on its own connection
 * until it succeeds, so that others are not disturbed.
 */
import type { ChannelModel } from 'amqplib'
import { hangUp } from './dial.js'

export interface Aside {
  /** Opens a connection of its own at the present address. Throws within the time of a handshake. */
  open(): Promise<ChannelModel>
  /** The names of calls that closed a connection the last time. */
  readonly costly: Set<string>
}

const asides = new WeakMap<ChannelModel, Aside>()

/** Sets how to open another connection like `model`. */
export const setAside = (model: ChannelModel, aside: Aside): void => void asides.set(model, aside)

/**
 * Runs `act` on `model`, or on a separate connection if `name` closed one the last time. Rethrows errors of `act`.
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
    // A numeric reply code means that the broker closed it; socket errors have textual codes.
    if (typeof closedWith === 'number') aside?.costly.add(name)
    else aside?.costly.delete(name)
    throw error
  } finally {
    line.off('error', closing)
    if (costly) void hangUp(line)
  }
}

/**
 * Channels with limits. amqplib waits for ever for some answers of a connection that dies meanwhile
 * (`channel.close()` among them), and a frozen broker answers nothing at all. Nothing here waits longer than it says.
 */
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib'
import { withDeadline } from './deadline.js'

/** How long the broker may take to open a channel, and `withChannel` for its act. A queue without a majority is slow. */
export const CHANNEL_TIMEOUT_MS = 15_000
/** How long a polite close may take. Nobody depends on its answer. */
const CLOSE_TIMEOUT_MS = 5_000

/** Opens a channel. Throws within `timeoutMs`; a channel that comes later is closed again. `what` is for the message. */
export function openChannel(model: ChannelModel, what: string, timeoutMs = CHANNEL_TIMEOUT_MS): Promise<Channel> {
  return opened(model.createChannel(), what, timeoutMs)
}

/** The same, for a channel on which the broker confirms what is published. */
export function openConfirmChannel(
  model: ChannelModel,
  what: string,
  timeoutMs = CHANNEL_TIMEOUT_MS,
): Promise<ConfirmChannel> {
  return opened(model.createConfirmChannel(), what, timeoutMs)
}

/** Closes a channel, whatever state it is in. Never throws; resolves when it is closed, or after a few seconds. */
export async function closeChannel(channel: Channel | undefined): Promise<void> {
  if (channel === undefined) return
  let gone = (): void => undefined
  // When the connection dies, the channel says `close`, and the answer to our own close never comes.
  const ended = new Promise<void>((resolve) => {
    gone = resolve
  })
  channel.once('close', gone)
  await withDeadline(Promise.race([channel.close(), ended]), CLOSE_TIMEOUT_MS, 'closing a channel').catch(
    // It was closed before, or nobody answers: there is nothing left to do for it.
    () => undefined,
  )
  channel.off('close', gone)
}

/**
 * Runs `act` on a channel of its own, which is closed afterwards, whatever came of it: a refusal closes its channel, and
 * here nothing else is on it. Throws what `act` throws, or that it took longer than `timeoutMs`.
 */
export async function withChannel<T>(
  model: ChannelModel,
  what: string,
  act: (channel: Channel) => Promise<T>,
  timeoutMs = CHANNEL_TIMEOUT_MS,
): Promise<T> {
  const endsAt = performance.now() + timeoutMs
  const channel = await openChannel(model, what, timeoutMs)
  try {
    return await withDeadline(act(channel), Math.max(1, endsAt - performance.now()), what)
  } finally {
    // Not awaited: the caller has its answer, and the close has a limit of its own.
    void closeChannel(channel)
  }
}

async function opened<C extends Channel>(opening: Promise<C>, what: string, timeoutMs: number): Promise<C> {
  let given = false
  try {
    const channel = await withDeadline(opening, timeoutMs, what)
    given = true
    // A refusal rejects the call that caused it. The event repeats it, and without a listener it would be thrown.
    channel.on('error', () => undefined)
    return channel
  } finally {
    if (!given) {
      opening.then(
        (late) => {
          late.on('error', () => undefined)
          void closeChannel(late)
        },
        () => undefined,
      )
    }
  }
}

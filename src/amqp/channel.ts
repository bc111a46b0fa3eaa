/**
 * Channels with time limits. amqplib waits forever for some answers if the connection dies in the meantime (`channel.close()`
 * among them), and a frozen broker does not answer at all. Every wait here has a limit.
 */
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib'
import { withDeadline } from './deadline.js'

/** How long the broker may take to open a channel, and `withChannel` for its act. A queue without a majority is slow. */
export const CHANNEL_TIMEOUT_MS = 15_000
/** How long a polite close may take. Nothing depends on its answer. */
const CLOSE_TIMEOUT_MS = 5_000

/** Opens a channel. Throws within `timeoutMs`; a channel that opens later is closed again. `what` is used in the message. */
export function openChannel(model: ChannelModel, what: string, timeoutMs = CHANNEL_TIMEOUT_MS): Promise<Channel> {
  return opened(model.createChannel(), what, timeoutMs)
}

/** The same, for a confirm channel. */
export function openConfirmChannel(
  model: ChannelModel,
  what: string,
  timeoutMs = CHANNEL_TIMEOUT_MS,
): Promise<ConfirmChannel> {
  return opened(model.createConfirmChannel(), what, timeoutMs)
}

/** Closes a channel in any state. Never throws; resolves when it is closed, or after a few seconds. */
export async function closeChannel(channel: Channel | undefined): Promise<void> {
  if (channel === undefined) return
  let gone = (): void => undefined
  // If the connection dies, the channel emits `close`, and our own close is never answered.
  const ended = new Promise<void>((resolve) => {
    gone = resolve
  })
  channel.once('close', gone)
  await withDeadline(Promise.race([channel.close(), ended]), CLOSE_TIMEOUT_MS, 'closing a channel').catch(
    // It was already closed, or the broker does not answer: nothing is left to do.
    () => undefined,
  )
  channel.off('close', gone)
}

/**
 * Runs `act` on a separate channel and closes it afterwards: a refusal closes its channel, so nothing else may use it. Rethrows
 * errors of `act`, and throws if it takes longer than `timeoutMs`.
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
    // Not awaited: the caller has its answer, and the close has its own limit.
    void closeChannel(channel)
  }
}

async function opened<C extends Channel>(opening: Promise<C>, what: string, timeoutMs: number): Promise<C> {
  let given = false
  try {
    const channel = await withDeadline(opening, timeoutMs, what)
    given = true
    // A refusal rejects the call that caused it. The event repeats it and would throw without a listener.
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

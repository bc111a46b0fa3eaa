/** Sending from an iterable with a bounded number of sends in flight. */
import type { Handle } from './handle.js'

export interface SendManyOptions<Output> {
  /** Called for each task on its confirm, with its place in the iterable. Confirms may come out of order. */
  readonly onSent?: (handle: Handle<Output>, index: number) => void
  /** Called for each task that could not be sent. Without it, the first failure ends the whole. */
  readonly onFailed?: (error: unknown, index: number) => void
  /** Stops taking inputs when aborted; what is in flight is waited for, and the summary counts it. */
  readonly signal?: AbortSignal
}

export interface SendManySummary {
  readonly sent: number
  readonly failed: number
}

/** Keeps at most `window` calls of `send` in flight; takes the next input only when there is room. */
export async function sendMany<Input, Output>(
  send: (input: Input) => Promise<Handle<Output>>,
  inputs: Iterable<Input> | AsyncIterable<Input>,
  window: number,
  { onSent, onFailed, signal }: SendManyOptions<Output>,
): Promise<SendManySummary> {
  let sent = 0
  let failed = 0
  let inFlight = 0
  let failure: { error: unknown } | undefined
  let wake: (() => void) | undefined

  const one = async (input: Input, index: number): Promise<void> => {
    try {
      const handle = await send(input)
      sent++
      onSent?.(handle, index)
    } catch (error) {
      failed++
      if (onFailed === undefined) failure ??= { error }
      else onFailed(error, index)
    } finally {
      inFlight--
      wake?.()
    }
  }
  const room = (below: number): Promise<void> | undefined =>
    inFlight < below
      ? undefined
      : new Promise<void>((resolve) => {
          wake = () => inFlight < below && resolve()
        })

  let index = 0
  for await (const input of inputs) {
    if (failure !== undefined || signal?.aborted) break
    inFlight++
    void one(input, index++)
    await room(window)
  }
  await room(1)
  if (failure !== undefined) throw failure.error
  return { sent, failed }
}

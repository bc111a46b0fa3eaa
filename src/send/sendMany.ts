/** Sending from an iterable with a bounded number of sends in flight. */
import { withDeadline } from '../amqp/deadline.js'
import { OptionsError } from '../errors/index.js'
import { isThenable } from '../kinds.js'
import { callContained, type ReportProblem } from '../observe/contained.js'
import { is, settleOptions } from '../options.js'
import { onAbort } from '../timers.js'
import type { Handle } from './handle.js'
import type { SendOptions } from './sender.js'

export interface SendManyOptions<Output, Input = unknown> {
  /**
   * Called for each task on its confirm, with its index. Confirms may arrive out of order. If it throws,
   * no more inputs are taken, and `sendMany` rejects with that error.
   */
  readonly onSent?: ((handle: Handle<Output>, index: number) => void) | undefined
  /**
   * Called for each task that could not be sent. Without it, the first failure ends the whole call. If it throws, no more
   * inputs are taken, and `sendMany` rejects with that error.
   */
  readonly onFailed?: ((error: unknown, index: number) => void) | undefined
  /** Stops taking inputs at once when aborted; sends in flight are awaited and included in the summary. */
  readonly signal?: AbortSignal | undefined
  /** Returns the options of each send, such as its id. */
  readonly options?: ((input: Input, index: number) => SendOptions) | undefined
}

const SEND_MANY_CHECKS = { onSent: is.callback, onFailed: is.callback, signal: is.signal, options: is.callback }

export interface SendManySummary {
  readonly sent: number
  readonly failed: number
}

/** What `sendMany` needs of its surroundings. */
export interface Sending<Input, Output> {
  readonly send: (input: Input, options: SendOptions | undefined) => Promise<Handle<Output>>
  /** How many sends are in flight at most. */
  readonly window: number
  /** Whether to stop sending while messages are in flight, because waiting messages are in memory. */
  readonly full: () => boolean
  readonly report: ReportProblem
}

/** How long a source may take to end after it is told to stop. */
const RETURN_TIMEOUT_MS = 5_000

/**
 * Keeps at most `window` sends in flight, and takes the next input only when there is room. It ends with the source, or at once
 * on an abort, an unhandled first failure, a callback that throws, or a source that throws, even while the source produces
 * nothing. Sends in flight are always awaited; their deadlines bound that.
 */
export async function sendMany<Input, Output>(
  { send, window, full, report }: Sending<Input, Output>,
  inputs: Iterable<Input> | AsyncIterable<Input>,
  given: SendManyOptions<Output, Input>,
): Promise<SendManySummary> {
  const { onSent, onFailed, signal, options } = settleOptions('sendMany', given, SEND_MANY_CHECKS, {})
  const iterator = iteratorOf(inputs)
  let sent = 0
  let failed = 0
  let inFlight = 0
  let over = false
  let failure: { readonly error: unknown } | undefined
  let changed = (): void => undefined

  const fail = (error: unknown): void => {
    failure ??= { error }
    changed()
  }
  /** A callback's error ends a running call; later it is only reported. */
  const tell = (what: string, call: () => unknown): void =>
    callContained(what, call, (who, error) => (over ? report(who, error) : fail(error)))
  const one = async (input: Input, index: number): Promise<void> => {
    try {
      const handle = await send(input, options?.(input, index))
      sent++
      if (onSent !== undefined) tell('onSent of sendMany', () => onSent(handle, index))
    } catch (error) {
      failed++
      if (onFailed === undefined) fail(error)
      else tell('onFailed of sendMany', () => onFailed(error, index))
    }
    inFlight--
    changed()
  }
  const stopped = (): boolean => failure !== undefined || signal?.aborted === true
  /** Resolves at the next end of a send, failure or abort. */
  const change = (): Promise<void> =>
    new Promise((resolve) => {
      changed = resolve
    })
  const stopListening = onAbort(signal, () => changed())

  let exhausted = false
  try {
    for (let index = 0; !stopped(); ) {
      if (inFlight >= window || (inFlight > 0 && full())) {
        await change()
        continue
      }
      const step = iterator.next()
      const next = isThenable(step) ? await untilStopped(step, stopped, (wake) => (changed = wake)) : step
      if (next === STOPPED) break
      if (typeof next !== 'object' || next === null) throw notIterable('whose next() returns objects')
      if (next.done === true) {
        exhausted = true
        break
      }
      if (stopped()) break
      inFlight++
      void one(next.value, index++)
      // Waits one turn, so that an input that is refused at once is noticed before the next one is taken.
      await undefined
    }
  } catch (error) {
    // The source threw, so it has ended by itself.
    exhausted = true
    fail(error)
  }
  const ended = exhausted ? undefined : endSource(iterator, report)
  while (inFlight > 0) await change()
  await ended
  stopListening()
  over = true
  if (failure !== undefined) throw failure.error
  return { sent, failed }
}

type AnyIterator<Input> = Iterator<Input> | AsyncIterator<Input>

function iteratorOf<Input>(inputs: Iterable<Input> | AsyncIterable<Input>): AnyIterator<Input> {
  const { [Symbol.asyncIterator]: makeAsync, [Symbol.iterator]: make } = Object(inputs) as Partial<
    Iterable<Input> & AsyncIterable<Input>
  >
  const own: (() => AnyIterator<Input>) | undefined = typeof makeAsync === 'function' ? makeAsync : make
  if (typeof own !== 'function') throw notIterable()
  const iterator = own.call(inputs)
  if (typeof (iterator as Partial<AnyIterator<Input>> | undefined)?.next === 'function') return iterator
  throw notIterable('whose iterator has next()')
}

const notIterable = (more = ''): OptionsError =>
  new OptionsError('sendMany', [`expected the inputs to be an iterable or an async iterable${more && ` ${more}`}`])

const STOPPED = Symbol('stopped')

/** The source's next value, or `STOPPED` if the call ends first: a source may never yield. */
function untilStopped<Input>(
  step: PromiseLike<IteratorResult<Input>>,
  stopped: () => boolean,
  onChange: (wake: () => void) => void,
): Promise<IteratorResult<Input> | typeof STOPPED> {
  return new Promise((resolve, reject) => {
    onChange(() => {
      if (stopped()) resolve(STOPPED)
    })
    step.then(resolve, reject)
  })
}

/** Tells the source to stop, so that a generator's `finally` runs. */
async function endSource(iterator: AnyIterator<unknown>, report: ReportProblem): Promise<void> {
  try {
    const ended = iterator.return?.()
    // A source that produces nothing answers only after its next value; this limits the wait.
    if (isThenable(ended)) await withDeadline(Promise.resolve(ended), RETURN_TIMEOUT_MS, 'ending the source')
  } catch (error) {
    report('the source of sendMany', error)
  }
}

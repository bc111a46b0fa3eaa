/**
 * Sends delayed tasks. If a queue takes the task's due messages, the message waits in the delay levels, unless the delay is too
 * short for that. Otherwise it goes straight to the task's exchange, where `mandatory` shows whether there is a queue, and the
 * receiving worker delays it.
 */
import { jittered } from '../amqp/backoff.js'
import {
  AccessRefusedError,
  ClosedError,
  DelaysMissingError,
  OptionsError,
  textOf,
  UnconfirmedError,
  UnroutableError,
} from '../errors/index.js'
import { is } from '../options.js'
import type { Clock } from '../time/clock.js'
import { type DelayRoute, type DelayRoutes, HOLD_MS } from '../time/delayRoutes.js'
import { pause } from '../timers.js'
import { formatInstant } from '../wire/celeryValues.js'
import type { Publication } from './outgoing.js'
import type { Producer } from './producer.js'

/** How a task is delayed; at most one of the two. */
interface Delay {
  readonly delayMs?: number | undefined
  readonly at?: Date | undefined
}

export const DELAY_CHECKS = {
  delayMs: (value: unknown) =>
    typeof value === 'number' && value >= 0 && Number.isFinite(value) ? undefined : 'a number of milliseconds ≥ 0',
  at: (value: unknown) =>
    is.date(value) === undefined && formatInstant(value as Date) !== undefined
      ? undefined
      : 'a valid Date in the years 1 to 9999',
}

/** When a task that is sent now is due; undefined for at once. Throws `OptionsError`. */
export function dueIn({ delayMs, at }: Delay, clock: Clock): Date | undefined {
  const now = clock.now()
  if (delayMs !== undefined && at !== undefined) {
    throw new OptionsError('send', ['expected `delayMs` or `at`, got both'])
  }
  // Clocks truncate up to a millisecond: without adding it, a task could run that much too early.
  const from = (delayMs ?? 0) > 0 ? now + (clock.truncatesMs ?? 1) : now
  const due = new Date(at?.getTime() ?? Math.ceil(from + (delayMs ?? 0)))
  if (formatInstant(due) === undefined) {
    throw new OptionsError('send', [`expected \`delayMs\` to end in the years 1 to 9999, got: ${delayMs}`])
  }
  return due.getTime() > now ? due : undefined
}

/** How often a missing level is declared again for one message. */
const MAX_REPAIRS = 3
const RETRY_INITIAL_MS = 100
const RETRY_MAX_MS = 2_000

export interface DelayedOptions {
  readonly producer: Producer
  readonly routes: DelayRoutes
  readonly clock: Clock
}

/** The publication for the delay levels; without a route, for the task's exchange. */
function takingRoute(publication: Publication, route: DelayRoute | undefined, confirmTimeoutMs: number): Publication {
  if (route === undefined) return { ...publication, confirmTimeoutMs }
  const { exchange, routingKey, headers } = route
  const { content, properties } = publication.message
  const message = { content, properties: { ...properties, headers: { ...properties.headers, ...headers } } }
  return { ...publication, exchange, routingKey, message, confirmTimeoutMs }
}

export class Delayed {
  readonly clock: Clock
  readonly #options: DelayedOptions
  readonly #closing = new AbortController()

  constructor(options: DelayedOptions) {
    this.clock = options.clock
    this.#options = options
  }

  /** Ends all waiting. */
  close(): void {
    this.#closing.abort()
  }

  /** `publication` is the message's destination without a delay. Throws the producer's errors and `DelaysMissingError`. */
  async publish(publication: Publication, due: Date): Promise<void> {
    const { producer, routes } = this.#options
    const startedAt = performance.now()
    const leftMs = (): number => Math.ceil(publication.confirmTimeoutMs - (performance.now() - startedAt))
    for (let repairs = 0; ; repairs++) {
      const route = await this.#route(publication, due, leftMs)
      try {
        return await producer.publish(takingRoute(publication, route, Math.max(1, leftMs())))
      } catch (error) {
        if (!(error instanceof UnroutableError) || route === undefined || repairs === MAX_REPAIRS) throw error
        // A level or a part of it was deleted. The returned message is in no queue, so it may be sent again.
        routes.forget()
      }
    }
  }

  /** The route through the levels, or undefined for none. Waits for a lost connection, like `publish`. */
  async #route(
    { id, routingKey, confirmTimeoutMs }: Publication,
    due: Date,
    leftMs: () => number,
  ): Promise<DelayRoute | undefined> {
    const { routes } = this.#options
    for (let failures = 0; ; failures++) {
      if (this.#closing.signal.aborted) throw new ClosedError('The connection')
      const delayMs = due.getTime() - this.clock.now()
      if (delayMs < HOLD_MS) return undefined
      try {
        return (await routes.isTaken(routingKey)) ? await routes.through(delayMs, routingKey) : undefined
      } catch (error) {
        if (error instanceof DelaysMissingError || error instanceof AccessRefusedError) throw error
        const waitMs = jittered(RETRY_INITIAL_MS, failures, RETRY_MAX_MS)
        if (leftMs() <= waitMs) throw new UnconfirmedError(id, confirmTimeoutMs, false, textOf(error), error)
        await pause(waitMs, this.#closing.signal)
      }
    }
  }
}

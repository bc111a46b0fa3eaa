/**
 * How far a server's clock is from this machine's. An answer says what its clock showed at some instant between the
 * question and the answer, so that the difference is known within limits, and only these are told. Pure.
 */
import type { ClockFacts } from '../snapshot.js'
import type { Timed } from './http.js'

/** RabbitMQ renews the time in its answers once a second, and writes whole seconds. */
const DATE_LAG_MS = 2_000

/** By the `Date` of an answer; undefined where it had none. */
export function nodeClock(whose: string, { sentAt, headAt, date }: Timed): ClockFacts | undefined {
  if (date === undefined) return undefined
  return { whose, kind: 'node', leastMs: date - headAt, mostMs: date + DATE_LAG_MS - sentAt }
}

export interface Sample {
  readonly sentAt: number
  readonly answeredAt: number
  readonly shownMs: number
}

/** By several answers, each of which narrows the limits; a clock that was set meanwhile gives those of the last one. */
export function storeClock(whose: string, samples: readonly Sample[]): ClockFacts | undefined {
  const limits = samples.map(({ sentAt, answeredAt, shownMs }) => [shownMs - answeredAt, shownMs - sentAt] as const)
  const last = limits.at(-1)
  if (last === undefined) return undefined
  const leastMs = Math.max(...limits.map(([least]) => least))
  const mostMs = Math.min(...limits.map(([, most]) => most))
  const [least, most] = leastMs <= mostMs ? [leastMs, mostMs] : last
  return { whose, kind: 'store', leastMs: least, mostMs: most }
}

/** Limits the rate and concurrency of a task across all workers, for the whole task or for each key. */
import { OptionsError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'

/** At most `count` starts in each `perMs`, evenly: one every `perMs / count` milliseconds. */
export interface RateOptions {
  /** 1 to 1,000,000. */
  readonly count: number
  /** In milliseconds: 1 to 30 days. */
  readonly perMs: number
  /** How many may start at once after an idle time, 1 to 1,000,000. Default 1: evenly spaced from the first one on. */
  readonly burst?: number | undefined
}

export type OnLimit = 'wait' | 'drop' | 'cancelRunning'

export interface LimitOptions<Parsed = unknown> {
  /** How fast attempts may start. Default: as fast as they can. */
  readonly rate?: RateOptions | undefined
  /** How many attempts may run at the same time. Default: as many as there are places. */
  readonly concurrency?: number | undefined
  /**
   * Returns the key from the parsed input, such as the customer's id: each key has its own limit. Undefined or null for an
   * input without a limit. Default: one limit for the whole task.
   */
  readonly key?: ((input: Parsed) => string | null | undefined) | undefined
  /**
   * What happens to a message over the limit. `wait`: it runs later. `drop`: it does not run, and its result is REVOKED.
   * `cancelRunning`, for a `concurrency`: the oldest running task is cancelled, and this one takes its place. Default `wait`.
   */
  readonly onLimit?: OnLimit | undefined
  /**
   * How long a worker that no longer answers keeps its places in `concurrency`, in milliseconds, 2,000 to one hour.
   * A handler that blocks its process for longer loses its place. Default 30,000.
   */
  readonly leaseMs?: number | undefined
}

export interface Rate {
  readonly count: number
  readonly perMs: number
  readonly burst: number
}

/** The limit's rate and concurrency; undefined means no limit. */
export interface LimitValues {
  readonly rate: Rate | undefined
  readonly concurrency: number | undefined
}

/** A task's limit, checked, with defaults. */
export interface TaskLimit<Parsed = unknown> extends LimitValues {
  readonly onLimit: OnLimit
  readonly leaseMs: number
  // A method, so that a task of any input is a `Task`.
  key?(input: Parsed): string | null | undefined
}

/** Longer than handlers usually block the event loop, which renews the lease. */
export const DEFAULT_LEASE_MS = 30_000
const MIN_LEASE_MS = 2_000
const MAX_LEASE_MS = 60 * 60 * 1000
const MAX_PER_MS = 30 * 24 * 60 * 60 * 1000
const MAX_COUNT = 1_000_000

const CHECKS = {
  rate: is.record,
  concurrency: is.integer(1, MAX_COUNT),
  key: is.callback,
  onLimit: is.oneOf('wait', 'drop', 'cancelRunning'),
  leaseMs: is.integer(MIN_LEASE_MS, MAX_LEASE_MS),
}

const RATE_CHECKS = {
  count: is.integer(1, MAX_COUNT),
  perMs: is.integer(1, MAX_PER_MS),
  burst: is.integer(1, MAX_COUNT),
}

export const isConcurrency = CHECKS.concurrency

/** Throws `OptionsError`. */
export function settleRate(where: string, given: RateOptions): Rate {
  const { count, perMs, burst } = settleOptions(where, given, RATE_CHECKS, { burst: 1 }, ['count', 'perMs'])
  return Object.freeze({ count, perMs, burst: burst as number })
}

/** Throws `OptionsError`. */
export function settleLimit(where: string, given: LimitOptions<never>): TaskLimit {
  const settled = settleOptions(where, given, CHECKS, { onLimit: 'wait' as const, leaseMs: DEFAULT_LEASE_MS })
  const { concurrency, key } = settled
  const onLimit = settled.onLimit as OnLimit
  const rate = settled.rate === undefined ? undefined : settleRate(`${where}: rate`, settled.rate)
  const problems: string[] = []
  if (rate === undefined && concurrency === undefined) problems.push('expected `rate` or `concurrency`, or both')
  if (onLimit === 'cancelRunning' && concurrency === undefined) {
    problems.push("expected `concurrency` with `onLimit: 'cancelRunning'`, which cancels running tasks above it")
  }
  if (problems.length > 0) throw new OptionsError(where, problems)
  return Object.freeze({
    ...{ rate, concurrency, onLimit, leaseMs: settled.leaseMs as number },
    ...(key === undefined ? {} : { key: key as NonNullable<TaskLimit['key']> }),
  })
}

/** What runs say of limits: whether more began, or ran at a time, than may. Pure. */
import type { CrewRun } from './crewRuns.js'

/** A worker stood still. `to`: when it went on; undefined for one that was killed. */
export interface Standstill {
  readonly worker: string
  readonly from: number
  readonly to?: number | undefined
}

/** The most of these instants that are within any so many milliseconds. */
export function most(instants: readonly number[], ms: number): number {
  const sorted = [...instants].sort((a, b) => a - b)
  let [first, best] = [0, 0]
  for (const [index, at] of sorted.entries()) {
    while (at - (sorted[first] as number) >= ms) first++
    best = Math.max(best, index - first + 1)
  }
  return best
}

/** How many of these instants are in each full second from `from` to `to`. */
export function bySecond(instants: readonly number[], from: number, to: number): number[] {
  const seconds = Array.from({ length: Math.max(0, Math.floor((to - from) / 1_000)) }, () => 0)
  for (const at of instants) {
    const second = Math.floor((at - from) / 1_000)
    if (second >= 0 && second < seconds.length) seconds[second] = (seconds[second] as number) + 1
  }
  return seconds
}

export interface PlaceRules {
  readonly leaseMs: number
  readonly standstills: readonly Standstill[]
}

/**
 * The most that ran at a time. What a frozen worker holds counts until its lease may be over: it was renewed up to a third
 * of the lease before the worker froze, and others may begin from then on.
 */
export function mostAtOnce(runs: readonly CrewRun[], rules: PlaceRules): number {
  const changes = runs.flatMap((run) => {
    const endsAt = countsUntil(run, rules)
    return endsAt <= run.beganAt ? [] : [[run.beganAt, 1] as const, [endsAt, -1] as const]
  })
  // An end before a beginning of the same millisecond.
  changes.sort(([a, more], [b, less]) => a - b || more - less)
  let [now, best] = [0, 0]
  for (const [, change] of changes) {
    now += change
    best = Math.max(best, now)
  }
  return best
}

function countsUntil(run: CrewRun, { leaseMs, standstills }: PlaceRules): number {
  const endedAt = run.endedAt ?? Number.POSITIVE_INFINITY
  const frozen = standstills.find(
    ({ worker, from, to }) => worker === run.worker && to !== undefined && from >= run.beganAt && from < endedAt,
  )
  return frozen === undefined ? endedAt : Math.min(endedAt, frozen.from + leaseMs / 2)
}

/**
 * How long after a standstill others hold all places again, of a worker that held some then; undefined where it held none,
 * `Infinity` where they never do.
 */
export function freedAfter(runs: readonly CrewRun[], { worker, from }: Standstill, places: number): number | undefined {
  const held = runs.filter(
    (run) => run.worker === worker && run.beganAt < from && (run.endedAt ?? Number.POSITIVE_INFINITY) >= from,
  )
  if (held.length === 0) return undefined
  const others = runs.filter((run) => run.worker !== worker)
  for (const { beganAt } of [...others].sort((a, b) => a.beganAt - b.beganAt)) {
    if (beganAt < from) continue
    const now = others.filter(
      (run) => run.beganAt <= beganAt && (run.endedAt ?? Number.POSITIVE_INFINITY) > beganAt,
    ).length
    if (now >= places) return beganAt - from
  }
  return Number.POSITIVE_INFINITY
}

/** Those that ended after another one had begun in their place, although its number is not greater than theirs. */
export function unfenced(runs: readonly CrewRun[], places: number): CrewRun[] {
  return runs.filter((run) => {
    const later = runs.filter((each) => each.beganAt > run.beganAt && each.beganAt < (run.endedAt ?? run.beganAt))
    const beside = later.filter((each) => (each.fence ?? 0) <= (run.fence ?? 0))
    // As many as may run beside it may have taken their places before it.
    return beside.length >= places
  })
}

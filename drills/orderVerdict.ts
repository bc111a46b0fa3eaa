/** Whether the messages of one key ran in the order they were sent. Pure. */
import type { CrewRun } from './crewRuns.js'

/**
 * The runs of one key that began too early: before the message before theirs had come to its end, or after a later one had
 * begun. `exempt`: those of which it is not said that they run, such as one that is dead-lettered.
 */
export function outOfOrder(runs: readonly CrewRun[], exempt: ReadonlySet<number>): CrewRun[] {
  const inTime = [...runs].sort((a, b) => a.beganAt - b.beganAt)
  const endedAt = new Map<number, number>()
  for (const { n, finished, endedAt: at } of inTime) {
    if (finished && at !== undefined) endedAt.set(n, Math.min(at, endedAt.get(n) ?? at))
  }
  let latest = -1
  return inTime.filter(({ n, beganAt }) => {
    const before = previous(n, exempt)
    const early = before >= 0 && (endedAt.get(before) ?? Number.POSITIVE_INFINITY) > beganAt
    const late = n < latest
    latest = Math.max(latest, n)
    return early || late
  })
}

function previous(n: number, exempt: ReadonlySet<number>): number {
  let before = n - 1
  while (exempt.has(before)) before--
  return before
}

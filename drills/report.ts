import type { DrillOutcome } from './run.js'
export function reportPage(
  outcomes: readonly DrillOutcome[],
  _about: { startedAt: number; sabotage: string | undefined },
): string {
  return `<pre>${outcomes.length}</pre>`
}

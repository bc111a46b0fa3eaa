/** Dead letters grouped by what killed them: the same error with other numbers and ids in its text is the same. Pure. */
import type { DeadLetter } from 'warren'

export interface LetterGroup {
  /** What the group is asked for by. */
  readonly error: string
  readonly reason: string
  readonly count: number
  /** The first few. */
  readonly tasks: readonly string[]
  /** When the first and the last of them died, where that is known: ISO 8601. */
  readonly from?: string
  readonly to?: string
}

const MAX_KEY = 200
const MAX_TASKS = 3
const MAX_GROUPS = 100

/** Ids, hexadecimal and decimal numbers, and what is quoted, differ from one to the next. */
const VARIES = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+(?:[.,:]\d+)*/gi

/** What says that two died of the same. */
export function errorOf({
  reason,
  errorClass,
  errorMessage,
}: Pick<DeadLetter, 'reason' | 'errorClass' | 'errorMessage'>): string {
  if (errorClass === undefined && errorMessage === undefined) return reason
  const text = `${errorClass ?? 'Error'}: ${(errorMessage ?? '').slice(0, MAX_KEY)}`
  return text.replaceAll(VARIES, '#').slice(0, MAX_KEY)
}

interface Grouped {
  readonly error: string
  readonly reason: string
  readonly task?: string
  readonly diedAt?: string
}

/** The largest first. */
export function groupsOf(letters: readonly Grouped[]): LetterGroup[] {
  const groups = new Map<string, { reason: string; count: number; tasks: Set<string>; from?: string; to?: string }>()
  for (const { error, reason, task, diedAt } of letters) {
    const group = groups.get(error) ?? { reason, count: 0, tasks: new Set<string>() }
    groups.set(error, group)
    group.count++
    if (task !== undefined && group.tasks.size < MAX_TASKS) group.tasks.add(task)
    if (diedAt === undefined) continue
    if (group.from === undefined || diedAt < group.from) group.from = diedAt
    if (group.to === undefined || diedAt > group.to) group.to = diedAt
  }
  return [...groups]
    .map(([error, { tasks, ...group }]) => ({ error, ...group, tasks: [...tasks] }))
    .sort((a, b) => b.count - a.count)
    .slice(0, MAX_GROUPS)
}

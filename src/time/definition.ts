/** A schedule's definition: its task, input, times and rules. Checked as a whole, like all options. */

import { withDeadline } from '../amqp/deadline.js'
import { InputError, OptionsError, textOf, UnconfirmedError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import { checkAsSent } from '../task/check.js'
import { checkTask, type Task } from '../task/task.js'
import { Rhythm } from './rhythm.js'
import { isZone } from './zone.js'

/** What to do with a tick while the previous tick's task has not ended. */
export type Overlap = 'allow' | 'skip' | 'queueOne'
/** Which ticks missed while no worker was running are sent later. */
export type CatchUp = 'none' | 'latest' | 'all'

/** The options of `upsert`. */
export interface ScheduleOptions<Input, Parsed, Output, Returned> {
  readonly task: Task<Input, Parsed, Output, Returned>
  /** The input of every sent task; checked by the task's schema. */
  readonly input: Input
  /** Five fields (minute, hour, day of month, month, day of week), or six with seconds in front. This or `everyMs`. */
  readonly cron?: string | undefined
  /** An interval in milliseconds, at least 1,000. Ticks are at its multiples, counted from `startAt`, or from 1970. */
  readonly everyMs?: number | undefined
  /** The time zone of `cron`, such as `Europe/Berlin`. Default `UTC`. */
  readonly timeZone?: string | undefined
  /** There are no ticks before this time. */
  readonly startAt?: Date | undefined
  /** What to do with a tick while the previous tick's task has not ended. Default `allow`. */
  readonly overlap?: Overlap | undefined
  /** Which ticks missed while no worker was running are sent later. Default `latest`. */
  readonly catchUp?: CatchUp | undefined
  /** The maximum age of a tick that is caught up, in milliseconds. Default one day. */
  readonly catchUpWindowMs?: number | undefined
  /**
   * Each tick is delayed by up to this many milliseconds, derived from its id. Must be less than the time between two ticks.
   * Default 0.
   */
  readonly jitterMs?: number | undefined
}

/** A definition as stored in the store and the token: JSON. Times are milliseconds since 1970. */
export interface ScheduleRules {
  readonly cron?: string | undefined
  readonly everyMs?: number | undefined
  readonly timeZone: string
  readonly startAt?: number | undefined
  readonly overlap: Overlap
  readonly catchUp: CatchUp
  readonly catchUpWindowMs: number
  readonly jitterMs: number
}

export interface Definition extends ScheduleRules {
  /** The task's name. */
  readonly task: string
  readonly input: unknown
}

const MAX_ID_BYTES = 200
const MIN_EVERY_MS = 1_000
/** Ten years. */
const MAX_EVERY_MS = 3_653 * 24 * 3_600_000
const DEFAULT_WINDOW_MS = 24 * 3_600_000
/** How many intervals between ticks are checked against the jitter. */
const GAPS = 5

const CHECKS = {
  task: (value: unknown) => is.record(value),
  input: () => undefined,
  cron: is.text,
  everyMs: is.integer(MIN_EVERY_MS, MAX_EVERY_MS),
  timeZone: isZone,
  startAt: is.date,
  overlap: is.oneOf('allow', 'skip', 'queueOne'),
  catchUp: is.oneOf('none', 'latest', 'all'),
  catchUpWindowMs: is.duration(0),
  jitterMs: is.duration(0),
}

/** Throws an `OptionsError` for an invalid schedule id. */
export function checkScheduleId(where: string, id: unknown): asserts id is string {
  const bytes = typeof id === 'string' ? Buffer.byteLength(id) : 0
  if (bytes >= 1 && bytes <= MAX_ID_BYTES && Buffer.from(id as string).toString() === id) return
  const got =
    typeof id === 'string' && bytes > MAX_ID_BYTES ? `${bytes} bytes` : bytes === 0 ? 'none' : 'half a character'
  throw new OptionsError(where, [`expected the id to be a text of 1 to ${MAX_ID_BYTES} bytes, got: ${got}`])
}

/**
 * Checks the options of `upsert`. Throws `OptionsError`, `InputError`, and `UnconfirmedError` when the task's schema does
 * not answer within `limitMs`.
 */
export async function define<Input, Parsed, Output, Returned>(
  id: string,
  options: ScheduleOptions<Input, Parsed, Output, Returned>,
  now: number,
  limitMs: number,
): Promise<Definition> {
  const where = `upsert(${id})`
  const given = settleOptions(
    where,
    options,
    CHECKS,
    {
      timeZone: 'UTC',
      ...{ overlap: 'allow' as const, catchUp: 'latest' as const },
      ...{ catchUpWindowMs: DEFAULT_WINDOW_MS, jitterMs: 0 },
    },
    ['task'],
  )
  checkTask(where, given.task)
  const { task, input, startAt, ...rules } = given
  if ((rules.cron === undefined) === (rules.everyMs === undefined)) {
    const got = rules.cron === undefined ? 'neither' : 'both'
    throw new OptionsError(where, [`expected either \`cron\` or \`everyMs\`, got: ${got}`])
  }
  const kept: ScheduleRules = { ...rules, ...(startAt === undefined ? {} : { startAt: startAt.getTime() }) }
  checkRhythm(where, id, kept, now)
  const checking = checkAsSent(task.input, input)
  const checked =
    checking instanceof Promise
      ? await withDeadline(checking, limitMs, 'the input schema').catch((error: unknown) => {
          throw error instanceof Error && error.message.startsWith('the input schema took')
            ? new UnconfirmedError(id, limitMs, false, 'the input schema of its task has not answered')
            : error
        })
      : checking
  if (checked.issues !== undefined) throw new InputError(task.name, checked.issues)
  // As JSON with sorted keys, so that equal definitions have equal text.
  return sorted(JSON.parse(JSON.stringify({ ...kept, task: task.name, input }))) as Definition
}

function checkRhythm(where: string, id: string, rules: ScheduleRules, now: number): void {
  let rhythm: Rhythm
  try {
    rhythm = new Rhythm({ ...rules, id })
  } catch (error) {
    throw new OptionsError(where, [`expected \`cron\` to be ${textOf(error)}, got: ${JSON.stringify(rules.cron)}`])
  }
  let tick = rhythm.next(now)
  if (tick === undefined) {
    const never = `expected \`cron\` to match some date, got: ${JSON.stringify(rules.cron)}, which never does`
    throw new OptionsError(where, [never])
  }
  for (let gap = 0; gap < GAPS && rules.jitterMs > 0; gap++) {
    const next = rhythm.next(tick)
    if (next === undefined) return
    if (rules.jitterMs >= next - tick) {
      const expected = `expected \`jitterMs\` to be less than the time between two ticks, ${next - tick} ms`
      throw new OptionsError(where, [`${expected}, got: ${rules.jitterMs}`])
    }
    tick = next
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, each]) => [key, sorted(each)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A schedule as returned to callers. */
import type { CatchUp, Overlap } from './definition.js'
import type { ScheduleRecord } from './scheduleStore.js'
import { tickId } from './tickId.js'

export interface Schedule {
  readonly id: string
  /** The service whose workers run it. */
  readonly service: string
  /** The name of its task. */
  readonly task: string
  readonly input: unknown
  readonly cron: string | undefined
  readonly everyMs: number | undefined
  readonly timeZone: string
  readonly startAt: Date | undefined
  readonly overlap: Overlap
  readonly catchUp: CatchUp
  readonly catchUpWindowMs: number
  readonly jitterMs: number
  /** Since when it is paused, and why; undefined if it is not paused. */
  readonly paused: { readonly since: Date; readonly reason: string | undefined } | undefined
  /** The next tick. */
  readonly next: Date | undefined
  /** The last sent tick, when it was sent, and the id of its task. */
  readonly last: { readonly tick: Date; readonly at: Date; readonly id: string } | undefined
  /** The tick that waits until the task of `last` has ended. */
  readonly waiting: Date | undefined
  /** Why the last tick could not be sent. */
  readonly problem: string | undefined
}

export interface UpsertedSchedule extends Schedule {
  /** Whether it was created or changed; false if it already had this definition. */
  readonly changed: boolean
}

export function scheduleOf(service: string, id: string, record: ScheduleRecord): Schedule {
  const { definition, paused, next, ran, waiting, problem } = record
  const { task, input, cron, everyMs, timeZone, startAt, overlap, catchUp, catchUpWindowMs, jitterMs } = definition
  return {
    ...{ id, service, task, input, cron, everyMs, timeZone, overlap, catchUp, catchUpWindowMs, jitterMs, problem },
    startAt: startAt === undefined ? undefined : new Date(startAt),
    paused: paused === null ? undefined : { since: new Date(paused.since), reason: paused.reason },
    next: next === null ? undefined : new Date(next.tick),
    last:
      ran === null ? undefined : { tick: new Date(ran.tick), at: new Date(ran.at), id: tickId(service, id, ran.tick) },
    waiting: waiting === null ? undefined : new Date(waiting),
  }
}

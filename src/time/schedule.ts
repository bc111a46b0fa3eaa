/** A schedule as it is shown. */
import type { CatchUp, Overlap } from './definition.js'
import type { ScheduleRecord } from './scheduleStore.js'
import { tickId } from './tickId.js'

export interface Schedule {
  readonly id: string
  /** The service whose workers look after it. */
  readonly service: string
  /** The name of the task that it sends. */
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
  /** Since when it sends nothing, and why; undefined while it does. */
  readonly paused: { readonly since: Date; readonly reason: string | undefined } | undefined
  /** The tick that comes next. */
  readonly next: Date | undefined
  /** The tick that was sent last, when, and the id of its task. */
  readonly last: { readonly tick: Date; readonly at: Date; readonly id: string } | undefined
  /** The tick that waits until the task of `last` has ended. */
  readonly waiting: Date | undefined
  /** Why the last tick could not be sent. */
  readonly problem: string | undefined
}

export interface UpsertedSchedule extends Schedule {
  /** Whether it was made or changed: false when it had this definition already. */
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

/** The actions of `warren schedule`. */
import type { Schedule, Schedules, Warren } from 'warren'
import { connected, type WhereJsonOptions } from './connected.js'
import { Failure } from './failure.js'
import type { Output } from './output.js'
import { jsonLine, printable } from './printable.js'
import { table } from './table.js'

export interface ScheduleWhere extends WhereJsonOptions {
  readonly service?: string
}

export async function listSchedules(options: ScheduleWhere, { out, err }: Output): Promise<void> {
  const found = await withWarren(options, async (warren) => {
    const services = options.service === undefined ? await warren.scheduledServices() : [options.service]
    const each = await Promise.all(services.sort().map((service) => warren.schedules({ service }).list()))
    return each.flat()
  })
  if (options.json) {
    for (const schedule of found) out(jsonLine({ event: 'schedule', ...schedule }))
    return
  }
  if (found.length === 0) {
    const of =
      options.service === undefined ? 'There are no schedules' : `${printable(options.service)} has no schedules`
    return void err(`warren schedule list: ${of}\n`)
  }
  out(table(['ID', 'SERVICE', 'TASK', 'WHEN', 'NEXT', 'STATE'], found.map(rowOf)))
}

export async function showSchedule(id: string, options: ScheduleWhere, { out }: Output): Promise<void> {
  const { schedule } = await onOne(id, options)
  out(options.json ? jsonLine({ event: 'schedule', ...schedule }) : details(schedule))
}

export async function nextTicks(
  id: string,
  options: ScheduleWhere & { readonly count?: number },
  { out }: Output,
): Promise<void> {
  const { count } = options
  const { done, schedule } = await onOne(id, options, (schedules) => schedules.next(id, { count }))
  for (const tick of done) {
    out(options.json ? jsonLine({ event: 'tick', id, tick }) : `${instant(tick, schedule.timeZone)}\n`)
  }
}

export async function pauseSchedule(
  id: string,
  options: ScheduleWhere & { readonly reason?: string },
  output: Output,
): Promise<void> {
  const { reason } = options
  await onOne(id, options, (schedules) => schedules.pause(id, { reason }))
  say(output, options, { event: 'paused', id }, `${printable(id)} is paused; warren schedule resume sends again`)
}

export async function resumeSchedule(id: string, options: ScheduleWhere, output: Output): Promise<void> {
  const { schedule } = await onOne(id, options, (schedules) => schedules.resume(id))
  const next = schedule.next === undefined ? '' : `; its next tick is ${instant(schedule.next, schedule.timeZone)}`
  say(output, options, { event: 'resumed', id }, `${printable(id)} sends again${next}`)
}

export async function triggerSchedule(id: string, options: ScheduleWhere, output: Output): Promise<void> {
  const { done, schedule } = await onOne(id, options, (schedules) => schedules.trigger(id))
  const { task } = schedule
  say(output, options, { event: 'triggered', id, task, taskId: done }, `Sent ${printable(task)} ${done}`)
}

/** Returns the exit code: 1 if somebody else has removed the schedule in the meantime. */
export async function removeSchedule(id: string, options: ScheduleWhere, output: Output): Promise<number> {
  const { done } = await onOne(id, options, (schedules) => schedules.remove(id))
  say(output, options, { event: 'removed', id, removed: done }, `${printable(id)} is removed`)
  return done ? 0 : 1
}

function say({ out }: Output, { json }: ScheduleWhere, event: object, sentence: string): void {
  out(json ? jsonLine(event) : `${sentence}\n`)
}

/** Acts on the only schedule with this id. */
async function onOne<T = undefined>(
  id: string,
  options: ScheduleWhere,
  act?: (schedules: Schedules) => Promise<T>,
): Promise<{ schedule: Schedule; done: T }> {
  return withWarren(options, async (warren) => {
    const services = options.service === undefined ? await warren.scheduledServices() : [options.service]
    const found: { schedules: Schedules; schedule: Schedule }[] = []
    for (const service of services.sort()) {
      const schedules = warren.schedules({ service })
      const schedule = await schedules.get(id)
      if (schedule !== undefined) found.push({ schedules, schedule })
    }
    const [one, another] = found
    if (one === undefined) {
      const looked =
        services.length === 0 ? 'no service has schedules' : `searched ${services.map(printable).join(', ')}`
      throw new Failure(`no schedule has the id ${printable(id)}: ${looked}; see warren schedule list`)
    }
    if (another !== undefined) {
      const names = found.map(({ schedule }) => schedule.service).join(', ')
      throw new Failure(`expected --service, because several services have a schedule ${printable(id)}: ${names}`, {
        exitCode: 2,
      })
    }
    return { schedule: one.schedule, done: (await act?.(one.schedules)) as T }
  })
}

const withWarren = <T>(options: ScheduleWhere, act: (warren: Warren) => Promise<T>): Promise<T> =>
  connected(options, 'warren schedule', act)

export const rowOf = (schedule: Schedule): string[] => [
  printable(schedule.id),
  schedule.service,
  printable(schedule.task),
  when(schedule),
  schedule.next === undefined ? 'never' : instant(schedule.next, schedule.timeZone),
  state(schedule),
]

const when = ({ cron, everyMs, timeZone }: Schedule): string =>
  cron === undefined ? `every ${everyMs} ms` : `${cron}${timeZone === 'UTC' ? '' : ` ${timeZone}`}`

function state({ paused, problem, waiting }: Schedule): string {
  if (paused !== undefined) return paused.reason === undefined ? 'paused' : `paused: ${printable(paused.reason)}`
  if (problem !== undefined) return printable(problem)
  return waiting === undefined ? 'active' : 'active, a tick waits'
}

/** In the schedule's own zone, with its offset. */
function instant(at: Date, timeZone: string): string {
  const parts: Record<string, string> = {}
  const format = new Intl.DateTimeFormat('en-CA', {
    ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit' },
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'longOffset' },
  })
  for (const { type, value } of format.formatToParts(at)) parts[type] = value
  const { year, month, day, hour, minute, second, timeZoneName = 'GMT' } = parts
  const offset = timeZoneName === 'GMT' ? 'Z' : ` ${timeZoneName.replace('GMT', '')}`
  return `${year}-${month}-${day} ${hour}:${minute}:${second}${offset}`
}

export function details(schedule: Schedule): string {
  const { timeZone, last, waiting, paused, startAt, jitterMs, problem } = schedule
  const at = (date: Date): string => instant(date, timeZone)
  const facts: [string, string | undefined][] = [
    ['id', schedule.id],
    ['service', schedule.service],
    ['task', schedule.task],
    ['input', JSON.stringify(schedule.input)],
    ['when', when(schedule)],
    ['from', startAt && at(startAt)],
    ['jitter', jitterMs === 0 ? undefined : `up to ${jitterMs} ms`],
    ['overlap', schedule.overlap],
    ['catch-up', `${schedule.catchUp}, within ${schedule.catchUpWindowMs} ms`],
    ['next', schedule.next === undefined ? 'never' : at(schedule.next)],
    ['last', last && `${at(last.tick)}, sent ${at(last.at)} as ${last.id}`],
    ['waiting', waiting && `${at(waiting)}, until ${last?.id} has ended`],
    ['paused', paused && `since ${at(paused.since)}${paused.reason === undefined ? '' : `: ${paused.reason}`}`],
    ['problem', problem],
  ]
  return facts
    .flatMap(([name, fact]) => (fact === undefined ? [] : [`${name.padEnd(10)}${printable(fact)}\n`]))
    .join('')
}

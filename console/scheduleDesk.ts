/** The schedules of all services: listed, paused, resumed, triggered, removed. A list is kept for a moment. */
import type { Schedule, Schedules, Warren } from 'warren'
import { type Asked, hasWords, type Page, pageOf } from './paging.js'
import { Refusal } from './refusal.js'
import { type Excerpt, excerpt, jsonExcerpt } from './text.js'
import { within } from './within.js'

const STORE_MS = 5_000
const KEPT_MS = 2_000
const MAX_INPUT = 4_000
const MAX_TEXT = 300
const NEXT = 8

export interface ScheduleItem {
  readonly id: string
  readonly service: string
  readonly task: string
  readonly cron?: string
  readonly everyMs?: number
  readonly timeZone: string
  readonly overlap: string
  readonly catchUp: string
  readonly jitterMs: number
  readonly paused?: { readonly since: string; readonly reason?: string }
  readonly next?: string
  readonly last?: { readonly tick: string; readonly at: string; readonly id: string }
  readonly waiting?: string
  readonly problem?: Excerpt
}

export interface ScheduleView extends ScheduleItem {
  readonly input: Excerpt
  readonly startAt?: string
  readonly catchUpWindowMs: number
  /** The ticks that come next, whether it is paused or not. */
  readonly ticks: readonly string[]
}

export interface SchedulesPage extends Page<ScheduleItem> {
  readonly services: readonly string[]
}

export class ScheduleDesk {
  readonly #open: () => Promise<Warren>
  #kept: { readonly at: number; readonly all: Promise<readonly Schedule[]> } | undefined

  constructor(open: () => Promise<Warren>) {
    this.#open = open
  }

  async list(
    { q = '', service = '', state = '' }: Readonly<Record<string, string>>,
    asked: Asked,
  ): Promise<SchedulesPage> {
    const all = await within(STORE_MS, 'The result store', this.#all())
    const words = q.trim().slice(0, 200)
    const found = all.filter(
      (each) =>
        (service === '' || each.service === service) &&
        (state === '' || (state === 'paused' ? each.paused !== undefined : each.problem !== undefined)) &&
        (words === '' || hasWords(`${each.id} ${each.task} ${each.service} ${each.cron ?? ''}`, words)),
    )
    const page = pageOf(found, all.length, asked)
    return { ...page, items: page.items.map(itemOf), services: [...new Set(all.map((each) => each.service))] }
  }

  async show(service: string, id: string): Promise<ScheduleView> {
    const schedules = await this.#of(service)
    const [schedule, ticks] = await within(
      STORE_MS,
      'The result store',
      Promise.all([schedules.get(id), schedules.next(id, { count: NEXT }).catch(() => [])]),
    )
    if (schedule === undefined) throw new Refusal(404, 'UNKNOWN_SCHEDULE', 'There is no such schedule')
    return {
      ...itemOf(schedule),
      input: jsonExcerpt(schedule.input, MAX_INPUT, 2),
      catchUpWindowMs: schedule.catchUpWindowMs,
      ...(schedule.startAt === undefined ? {} : { startAt: schedule.startAt.toISOString() }),
      ticks: ticks.map((tick) => tick.toISOString()),
    }
  }

  /** Returns the id of the task. */
  trigger = (service: string, id: string): Promise<string> => this.#act(service, (schedules) => schedules.trigger(id))
  resume = (service: string, id: string): Promise<void> => this.#act(service, (schedules) => schedules.resume(id))
  remove = (service: string, id: string): Promise<boolean> => this.#act(service, (schedules) => schedules.remove(id))
  pause = (service: string, id: string, reason: string | undefined): Promise<void> =>
    this.#act(service, (schedules) => schedules.pause(id, reason === undefined ? {} : { reason }))

  async #act<T>(service: string, act: (schedules: Schedules) => Promise<T>): Promise<T> {
    try {
      return await act(await this.#of(service))
    } finally {
      this.#kept = undefined
    }
  }

  async #of(service: string): Promise<Schedules> {
    return (await this.#open()).schedules({ service })
  }

  #all(): Promise<readonly Schedule[]> {
    const now = performance.now()
    if (this.#kept === undefined || now - this.#kept.at > KEPT_MS) {
      const kept = { at: now, all: this.#read() }
      this.#kept = kept
      // A failure is not kept.
      kept.all.catch(() => {
        if (this.#kept === kept) this.#kept = undefined
      })
    }
    return this.#kept.all
  }

  async #read(): Promise<Schedule[]> {
    const warren = await this.#open()
    const services = (await warren.scheduledServices()).sort()
    const each = await Promise.all(services.map((service) => warren.schedules({ service }).list()))
    return each.flat()
  }
}

function itemOf(schedule: Schedule): ScheduleItem {
  const { id, service, task, cron, everyMs, timeZone, overlap, catchUp, jitterMs } = schedule
  const { paused, next, last, waiting, problem } = schedule
  return {
    ...{ id, service, task, timeZone, overlap, catchUp, jitterMs },
    ...(cron === undefined ? {} : { cron }),
    ...(everyMs === undefined ? {} : { everyMs }),
    ...(paused === undefined
      ? {}
      : {
          paused: {
            since: paused.since.toISOString(),
            ...(paused.reason ? { reason: paused.reason.slice(0, MAX_TEXT) } : {}),
          },
        }),
    ...(next === undefined ? {} : { next: next.toISOString() }),
    ...(last === undefined ? {} : { last: { tick: last.tick.toISOString(), at: last.at.toISOString(), id: last.id } }),
    ...(waiting === undefined ? {} : { waiting: waiting.toISOString() }),
    ...(problem === undefined ? {} : { problem: excerpt(problem, MAX_TEXT) }),
  }
}

/** `warren.schedules()`: the schedules of one service, for applications and the command line. */
import { randomUUID } from 'node:crypto'
import type { ChannelModel } from 'amqplib'
import type { Connection } from '../amqp/connection.js'
import { queueFacts } from '../amqp/passive.js'
import {
  AccessRefusedError,
  OptionsError,
  PayloadTooLargeError,
  UnconfirmedError,
  UnknownScheduleError,
} from '../errors/index.js'
import { traceHeaders } from '../observe/tracing.js'
import { settleOptions } from '../options.js'
import type { Results } from '../results/store.js'
import { pause } from '../timers.js'
import { ticksQueue } from '../wire/names.js'
import { checkScheduleId, type Definition, define, type ScheduleOptions } from './definition.js'
import type { DelayRoutes } from './delayRoutes.js'
import { Rhythm } from './rhythm.js'
import { type Schedule, scheduleOf, type UpsertedSchedule } from './schedule.js'
import { type Looked, type ScheduleRecord, ScheduleStore } from './scheduleStore.js'
import {
  BACKFILL_CHECKS,
  type BackfillOptions,
  NEXT_CHECKS,
  type NextOptions,
  PAUSE_CHECKS,
  type PauseOptions,
} from './schedulesOptions.js'
import { tickId } from './tickId.js'
import { ensureTicksQueue } from './ticksQueue.js'
import type { Token } from './token.js'
import { type Publish, TokenMail } from './tokenMail.js'
import { visitAt } from './visit.js'

export interface SchedulesDependencies {
  readonly connection: Connection
  readonly results: Results
  readonly publish: Publish
  readonly routes: DelayRoutes
  readonly confirmTimeoutMs: number
  readonly maxMessageBytes: number
}

const MAX_BACKFILL = 10_000
/** How many publishes or reads may run at the same time. */
const TOGETHER = 100
const CONNECTION_LOOK_MS = 50

export class Schedules {
  readonly service: string
  readonly #dependencies: SchedulesDependencies
  readonly #store: ScheduleStore
  readonly #mail: TokenMail

  /** Does no I/O. Made by `warren.schedules()`. */
  constructor(service: string, dependencies: SchedulesDependencies) {
    this.service = service
    this.#dependencies = dependencies
    this.#store = new ScheduleStore(dependencies.results, service)
    this.#mail = new TokenMail({ ...dependencies, service })
  }

  /**
   * Creates a schedule, or changes it to this definition. If the definition is unchanged, nothing happens, so every worker may
   * call this when it starts. A call that fails changes nothing. Throws `OptionsError`, `InputError`, `PayloadTooLargeError`,
   * `DelaysMissingError`, the errors of `send`, and like all methods here `StoreUnreachableError` and `StoreRefusesError`.
   */
  async upsert<Input, Parsed, Output, Returned>(
    id: string,
    options: ScheduleOptions<Input, Parsed, Output, Returned> & { readonly input: NoInfer<Input> },
  ): Promise<UpsertedSchedule> {
    checkScheduleId('upsert', id)
    let looked = await this.#store.look(id)
    const { confirmTimeoutMs } = this.#dependencies
    const definition = await define(id, options, looked.now, confirmTimeoutMs)
    const text = JSON.stringify(definition)
    this.#checkSize(definition, text)
    for (;;) {
      const { record } = looked
      if (record?.text === text) {
        await this.#store.index(id, record.due)
        return { ...scheduleOf(this.service, id, record), changed: false }
      }
      const put = await this.#begin(id, definition, text, looked)
      if (put !== undefined) return { ...scheduleOf(this.service, id, put), changed: true }
      looked = await this.#store.look(id)
    }
  }

  /** All schedules of the service, by id. */
  async list(): Promise<Schedule[]> {
    const ids = (await this.#store.ids()).sort()
    const found: Schedule[] = []
    for (let index = 0; index < ids.length; index += TOGETHER) {
      const some = await Promise.all(ids.slice(index, index + TOGETHER).map((id) => this.get(id)))
      found.push(...some.filter((schedule) => schedule !== undefined))
    }
    return found
  }

  /** One schedule, or undefined. */
  async get(id: string): Promise<Schedule | undefined> {
    checkScheduleId('get', id)
    const { record } = await this.#store.look(id)
    return record === undefined ? undefined : scheduleOf(this.service, id, record)
  }

  /** Nothing is sent until `resume`; ticks in between are skipped and not caught up. Throws `UnknownScheduleError`. */
  async pause(id: string, options: PauseOptions = {}): Promise<void> {
    checkScheduleId('pause', id)
    const { reason } = settleOptions(`pause(${id})`, options, PAUSE_CHECKS, {})
    const { now } = await this.#store.look(id)
    const paused = { since: now, ...(reason === undefined ? {} : { reason }) }
    if (!(await this.#store.setPaused(id, paused))) throw new UnknownScheduleError(this.service, id)
  }

  /** Throws `UnknownScheduleError`. */
  async resume(id: string): Promise<void> {
    checkScheduleId('resume', id)
    if (!(await this.#store.setPaused(id, null))) throw new UnknownScheduleError(this.service, id)
  }

  /** Returns false if there is none. Tasks that it has already sent still run. */
  async remove(id: string): Promise<boolean> {
    checkScheduleId('remove', id)
    return this.#store.remove(id)
  }

  /**
   * Sends the task once, now, even if the schedule is paused, and ignores `overlap`. Returns the task's id. Throws
   * `UnknownScheduleError`, and the errors of `send`.
   */
  async trigger(id: string): Promise<string> {
    const { definition } = (await this.#known('trigger', id)).record
    const taskId = randomUUID()
    await this.#mail.sendAs({ schedule: id, definition }, taskId, {})
    return taskId
  }

  /**
   * Sends the tasks of the ticks from `from` to `to`, at most 10,000, oldest first, under their regular ids: a task whose
   * success is still stored does not run again. Returns the ids of the tasks. Throws `OptionsError`, `UnknownScheduleError`,
   * and the errors of `send`; some tasks are sent by then, and repeating the call sends the rest.
   */
  async backfill(id: string, options: BackfillOptions): Promise<string[]> {
    const where = `backfill(${id})`
    const { from, to } = settleOptions(where, options, BACKFILL_CHECKS, {}, ['from', 'to'])
    const { now, record } = await this.#known('backfill', id)
    if (from > to) throw new OptionsError(where, ['expected `from` to be at or before `to`'])
    if (to.getTime() > now) throw new OptionsError(where, [`expected \`to\` not to be in the future`])
    const ticks = ticksBetween(this.#rhythm(id, record), from.getTime(), to.getTime())
    if (ticks.length > MAX_BACKFILL) {
      throw new OptionsError(where, [`expected at most ${MAX_BACKFILL} ticks between \`from\` and \`to\`, got more`])
    }
    const { definition } = record
    const sent: string[] = []
    for (let index = 0; index < ticks.length; index += TOGETHER) {
      const sending = ticks.slice(index, index + TOGETHER).map(async (tick) => {
        const taskId = tickId(this.service, id, tick)
        await this.#dependencies.results.begin(taskId, now)
        await this.#mail.sendAs({ schedule: id, definition }, taskId, { tick, run: now })
        return taskId
      })
      sent.push(...(await Promise.all(sending)))
    }
    return sent
  }

  /** The id of the task that a tick sends, for `warren.handle(task, id)`. */
  taskId(id: string, tick: Date): string {
    checkScheduleId('taskId', id)
    return tickId(this.service, id, tick.getTime())
  }

  /** The next ticks, whether it is paused or not, without jitter. Throws `UnknownScheduleError`. */
  async next(id: string, options: NextOptions = {}): Promise<Date[]> {
    const { count, after } = settleOptions(`next(${id})`, options, NEXT_CHECKS, { count: 5 })
    const { now, record } = await this.#known('next', id)
    const rhythm = this.#rhythm(id, record)
    const ticks: Date[] = []
    let tick = rhythm.next(after?.getTime() ?? now)
    for (; tick !== undefined && ticks.length < count; tick = rhythm.next(tick)) ticks.push(new Date(tick))
    return ticks
  }

  /** Stores the definition and publishes its token. Returns undefined if another caller was faster. */
  async #begin(id: string, definition: Definition, text: string, looked: Looked): Promise<ScheduleRecord | undefined> {
    const { now, record, held } = looked
    const rhythm = new Rhythm({ ...definition, id })
    const tick = rhythm.next(Math.max(now, record?.done.tick ?? -1)) as number
    const order = { tick, hop: 0 }
    const progress = { ran: record?.ran ?? null, waiting: record?.waiting ?? null }
    const canPublish = await this.#ready(id)
    const token: Token = {
      schedule: id,
      generation: Math.max(now, Number(held ?? -1) + 1, looked.void + 1),
      ...{ order, progress, definition, paused: record?.paused ?? null },
      // A worker creates the token if this user may not.
      due: canPublish ? visitAt(rhythm, order, progress.waiting, now) : 0,
      ...tracedAs(),
    }
    if (!(await this.#store.put(id, looked, token, text))) return undefined
    try {
      if (canPublish) await this.#mail.passOn(token, now, false)
    } catch (error) {
      await this.#store.takeBack(id, token, looked)
      throw error
    }
    const { generation, paused, due, trace } = token
    const done = record?.done ?? { tick: -1, hop: -1 }
    return { generation, definition, text, done, next: order, due, ...progress, paused, problem: undefined, trace }
  }

  /** Whether a token may be published, because its queue exists. False if it does not and this user may not declare it. */
  async #ready(id: string): Promise<boolean> {
    const model = await this.#connected(id)
    try {
      await ensureTicksQueue(model, this.service)
      return true
    } catch (error) {
      if (!(error instanceof AccessRefusedError)) throw error
      return (await queueFacts(model, ticksQueue(this.service))) !== undefined
    }
  }

  async #connected(id: string): Promise<ChannelModel> {
    const { connection, confirmTimeoutMs } = this.#dependencies
    const endsAt = performance.now() + confirmTimeoutMs
    for (;;) {
      const { model, state } = connection
      if (model !== undefined) return model
      if (performance.now() >= endsAt || state === 'closed') {
        throw new UnconfirmedError(id, confirmTimeoutMs, false, 'no connection to the broker')
      }
      await pause(CONNECTION_LOOK_MS)
    }
  }

  async #known(where: string, id: string): Promise<{ readonly now: number; readonly record: ScheduleRecord }> {
    checkScheduleId(where, id)
    const { now, record } = await this.#store.look(id)
    if (record === undefined) throw new UnknownScheduleError(this.service, id)
    return { now, record }
  }

  #rhythm(id: string, { definition }: ScheduleRecord): Rhythm {
    return new Rhythm({ ...definition, id })
  }

  #checkSize({ task }: Definition, text: string): void {
    const { maxMessageBytes } = this.#dependencies
    const bytes = Buffer.byteLength(text)
    if (bytes > maxMessageBytes) throw new PayloadTooLargeError(task, bytes, maxMessageBytes)
  }
}

/** One more than may be backfilled at most. */
function ticksBetween(rhythm: Rhythm, from: number, to: number): number[] {
  const ticks: number[] = []
  let tick = rhythm.next(from - 1)
  for (; tick !== undefined && tick <= to && ticks.length <= MAX_BACKFILL; tick = rhythm.next(tick)) ticks.push(tick)
  return ticks
}

/** The active trace for the token, if any. */
function tracedAs(): Pick<Token, 'trace'> {
  const trace = traceHeaders()
  return trace.traceparent === undefined ? {} : { trace: { ...trace } }
}

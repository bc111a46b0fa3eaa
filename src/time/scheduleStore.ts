/** What the store knows of schedules: see `scheduleScripts.ts` for the hash of each. */
import type { StoreConnection } from '../results/connection.js'
import type { KeyScript } from '../results/keyScript.js'
import type { Results } from '../results/store.js'
import { SCHEDULED_SERVICES, scheduleKey, schedulesKey } from '../wire/names.js'
import type { Definition } from './definition.js'
import { CLAIM, LOOK, PUT, RECORD, REMOVE, SEED, SET_FIELD, TAKE_BACK } from './scheduleScripts.js'
import type { Paused, Token } from './token.js'
import type { Decision, Order, Ran } from './visit.js'

/** A schedule as the store has it. */
export interface ScheduleRecord {
  readonly generation: number
  readonly definition: Definition
  /** The definition's own text. */
  readonly text: string
  /** The last visit that is done; a tick of -1 for none. */
  readonly done: Order
  /** The next visit, and when; null when there is no tick any more. */
  readonly next: Order | null
  readonly due: number | null
  readonly ran: Ran | null
  readonly waiting: number | null
  readonly paused: Paused | null
  readonly problem: string | undefined
  /** The trace in which it was defined, as headers. */
  readonly trace: Readonly<Record<string, string>> | undefined
}

/** What there is under a schedule's key. */
export interface Looked {
  /** The store's clock. */
  readonly now: number
  /** Undefined where there is no such schedule (any more). */
  readonly record: ScheduleRecord | undefined
  /** The latest generation that was ever used, as far as is known; undefined for none. */
  readonly held: string | undefined
  readonly void: number
  /** Everything as it is, names and values in turn. */
  readonly raw: readonly string[]
}

/** How long a removed schedule is remembered: longer than any message waits on its way back to the store. */
const REMEMBER_MS = 400 * 24 * 3_600_000
/** How long the store may take: hundreds of upserts may come at the same time. */
const ANSWER_MS = 5_000
/** Two tokens are not made in place of one within this time. */
const SEED_MS = 30_000

export class ScheduleStore {
  readonly #results: Results
  readonly service: string

  constructor(results: Results, service: string) {
    this.#results = results
    this.service = service
  }

  /** The store's clock, and whether a schedule is paused. */
  async clock(id: string): Promise<{ readonly now: number; readonly paused: string | null }> {
    const [now, [paused]] = await this.#eval<[number, [string | null]]>(id, LOOK, 'paused')
    return { now, paused: paused ?? null }
  }

  async look(id: string): Promise<Looked> {
    const [now, raw] = await this.#eval<[number, string[]]>(id, LOOK)
    const fields: Record<string, string> = {}
    for (let index = 0; index < raw.length; index += 2) fields[raw[index] as string] = raw[index + 1] as string
    const { generation, definition, removed } = fields
    const known = generation !== undefined && definition !== undefined && removed === undefined
    return {
      now,
      record: known ? recordOf(fields, definition) : undefined,
      held: generation,
      void: Number(fields.void ?? -1),
      raw,
    }
  }

  /** What a visit is to do, or undefined for a token that is to be dropped. */
  async claim(token: Token, claimant: string, decision: Decision): Promise<Decision | undefined> {
    const { generation, order, definition, paused } = token
    const begun = await this.#eval<string | null>(
      token.schedule,
      CLAIM,
      ...[generation, order.tick, order.hop, claimant, JSON.stringify(decision), JSON.stringify(definition)],
      paused === null ? '' : JSON.stringify(paused),
    )
    return begun === null ? undefined : (JSON.parse(begun) as Decision)
  }

  /** Whether a visit that was claimed is still this claimant's to finish. */
  async holds({ schedule, generation }: Token, claimant: string): Promise<boolean> {
    const fields = ['generation', 'claim', 'removed']
    const [, [held, claim, removed]] = await this.#eval<[number, (string | null)[]]>(schedule, LOOK, ...fields)
    return held === String(generation) && claim === claimant && (removed ?? null) === null
  }

  /** A visit is done; the next one is at `due`, or there is none. */
  async record(token: Token, { ran, waiting, next }: Decision, due: number | null, problem?: string): Promise<void> {
    const { schedule, generation, order } = token
    const fields = [
      ...['next', next === null ? '' : orderText(next), 'due', String(due ?? '')],
      ...['ran', ran === null ? '' : `${ran.tick}:${ran.at}`, 'waiting', String(waiting ?? '')],
      ...(problem === undefined ? [] : ['problem', problem]),
    ]
    const recorded = await this.#eval<number>(schedule, RECORD, generation, order.tick, order.hop, ...fields)
    if (recorded === 1) await this.index(schedule, due)
  }

  /** Begins a definition anew. False when another has changed the schedule since it was looked at. */
  async put(id: string, looked: Looked, token: Token, text: string): Promise<boolean> {
    const { generation, order, due, trace } = token
    const put = await this.#eval<number>(
      id,
      PUT,
      ...[looked.held ?? '', 'generation', generation, 'definition', text],
      ...['next', orderText(order), 'due', due, 'trace', trace === undefined ? '' : JSON.stringify(trace)],
    )
    if (put === 1) await this.index(id, due)
    return put === 1
  }

  /** Takes an upsert back that could not be finished. */
  async takeBack(id: string, { generation }: Token, before: Looked): Promise<void> {
    await this.#eval(id, TAKE_BACK, generation, REMEMBER_MS, ...before.raw)
    await this.index(id, before.record?.due ?? null, before.record !== undefined)
  }

  /** False when there is no such schedule. */
  async remove(id: string): Promise<boolean> {
    const removed = await this.#eval<number>(id, REMOVE, REMEMBER_MS)
    await this.index(id, null, false)
    return removed === 1
  }

  /** False when there is no such schedule. */
  async setPaused(id: string, paused: Paused | null): Promise<boolean> {
    return (await this.#eval<number>(id, SET_FIELD, 'paused', paused === null ? '' : JSON.stringify(paused))) === 1
  }

  /** Whether the caller is the one to make a token in place of one that has not come. */
  async seed(id: string, record: ScheduleRecord, now: number): Promise<boolean> {
    if (record.next === null) return false
    return (await this.#eval<number>(id, SEED, record.generation, orderText(record.next), now, SEED_MS)) === 1
  }

  /** Notes when a schedule's token comes by; null for never. Only a hint: the hash is what counts. */
  async index(id: string, due: number | null, exists = true): Promise<void> {
    const key = schedulesKey(this.service)
    await this.#ask(async (commands) => {
      if (!exists) return commands.zrem(key, id)
      await commands.zadd(key, due ?? '+inf', id)
      return commands.sadd(SCHEDULED_SERVICES, this.service)
    })
  }

  /** Whether the service has any schedule. */
  async any(): Promise<boolean> {
    return (await this.#ask((commands) => commands.exists(schedulesKey(this.service)))) === 1
  }

  /** The ids of all schedules. */
  ids(): Promise<string[]> {
    return this.#ask((commands) => commands.zrange(schedulesKey(this.service), 0, -1))
  }

  /** The ids of up to `count` schedules whose token has not come for so long, by the store's clock. */
  async overdue(lateMs: number, count: number): Promise<string[]> {
    return this.#ask(async (commands) => {
      const [seconds, micros] = await commands.time()
      const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
      return commands.zrangebyscore(schedulesKey(this.service), '-inf', now - lateMs, 'LIMIT', 0, count)
    })
  }

  #ask<T>(ask: (commands: StoreConnection) => Promise<T>): Promise<T> {
    return this.#results.ask(ask, ANSWER_MS)
  }

  #eval<T>(id: string, script: KeyScript, ...given: (string | number)[]): Promise<T> {
    const key = scheduleKey(this.service, id)
    return this.#ask((commands) => script(commands, key, ...given) as Promise<T>)
  }
}

/** The services that have schedules. */
export const scheduledServices = (results: Results): Promise<string[]> =>
  results.ask((commands) => commands.smembers(SCHEDULED_SERVICES))

const orderText = ({ tick, hop }: Order): string => `${tick}:${hop}`

function recordOf(fields: Readonly<Record<string, string>>, text: string): ScheduleRecord {
  const { generation, tick = '-1', hop = '-1', next, paused, problem, trace } = fields
  const visit = pair(next)
  const ran = pair(fields.ran)
  return {
    generation: Number(generation),
    definition: JSON.parse(text) as Definition,
    text,
    done: { tick: Number(tick), hop: Number(hop) },
    next: visit && { tick: visit[0], hop: visit[1] },
    due: instant(fields.due),
    ran: ran && { tick: ran[0], at: ran[1] },
    waiting: instant(fields.waiting),
    paused: paused === undefined ? null : (JSON.parse(paused) as Paused),
    problem,
    trace: trace === undefined || trace === '' ? undefined : (JSON.parse(trace) as Record<string, string>),
  }
}

const instant = (text: string | undefined): number | null => (text === undefined || text === '' ? null : Number(text))

/** `1:2`, or null for less. */
function pair(text: string | undefined): readonly [number, number] | null {
  const [one, other] = (text ?? '').split(':').map(Number)
  return one === undefined || other === undefined ? null : [one, other]
}

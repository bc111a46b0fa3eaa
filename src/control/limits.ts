/**
 * Limits that are set while workers run. They are kept in the store, and workers keep them in memory as they do with pauses
 * (`watch.ts`): what is set takes the place of what the task declares.
 */
import { NoResultStoreError, OptionsError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { checkOptions, is } from '../options.js'
import type { Results } from '../results/store.js'
import { isConcurrency, type LimitValues, type Rate, type RateOptions, settleRate } from '../task/limit.js'
import type { Task } from '../task/task.js'
import { declaredLimitsKey, limitsKey } from '../wire/names.js'
import { announce, type SetLimit, setLimitOf } from './changes.js'
import { STEP_MS } from './cuts.js'
import { type Holder, LimitKeys, type LimitOwner } from './limitKeys.js'

/** Which limit: of a task, or of one key of it. */
export interface LimitTarget {
  readonly task: string | Task
  /** Only for this key. Default: for all of the task. */
  readonly key?: string | undefined
}

/** What is set takes the place of what is declared; what is left out stays as it is declared. */
export interface LimitSettings {
  /** `false`: no limit. */
  readonly rate?: RateOptions | false | undefined
  /** `false`: no limit. */
  readonly concurrency?: number | false | undefined
}

/** A limit as `list()` shows it. */
export interface LimitInfo {
  readonly task: string
  readonly key?: string
  /** `declared` by the task, as a worker found it when it started last, or `set` live. */
  readonly source: 'declared' | 'set'
  readonly rate?: Rate | false
  readonly concurrency?: number | false
  /** Whether the task declares a `key`: then this holds for each key. */
  readonly perKey?: boolean
  /** When it was set. */
  readonly since?: Date
}

export type LimitHolder = Holder

const MAX_KEY_BYTES = 1_000

export class Limits {
  readonly #results: () => Results
  readonly #vhost: string

  /** Does no I/O. */
  constructor(results: Results | undefined, vhost: string) {
    this.#results = () => {
      if (results === undefined) throw new NoResultStoreError()
      return results
    }
    this.#vhost = vhost
  }

  // All of these throw `OptionsError`, `NoResultStoreError`, `StoreUnreachableError`, `StoreRefusesError`.

  /** Sets a limit, in place of one that was set before. Workers follow within a moment. */
  async set(target: LimitTarget, settings: LimitSettings): Promise<void> {
    const field = fieldOf('limits.set', target)
    const { rate, concurrency } = settle(settings)
    const limit: SetLimit = { at: Date.now(), rate, concurrency }
    const results = this.#results()
    await results.ask((store) => store.hset(limitsKey(this.#vhost), field, JSON.stringify(limit)), STEP_MS)
    await announce(results, this.#vhost, { kind: 'limited', field, limit }, STEP_MS)
  }

  /** What the task declares holds again, and starts that are reserved count for nothing. Returns whether a limit was set. */
  async clear(target: LimitTarget): Promise<boolean> {
    const field = fieldOf('limits.clear', target)
    const results = this.#results()
    const removed = await results.ask((store) => store.hdel(limitsKey(this.#vhost), field), STEP_MS)
    await new LimitKeys(results, this.#vhost).forget(ownerOf(field), STEP_MS)
    // Also where there was none: an earlier call may have failed in between.
    await announce(results, this.#vhost, { kind: 'unlimited', field }, STEP_MS)
    return removed > 0
  }

  /** What is declared and what is set, by task and key. */
  async list(): Promise<LimitInfo[]> {
    const results = this.#results()
    const read = (key: string) => results.ask((store) => store.hgetall(key), STEP_MS)
    const [declared, set] = await Promise.all([read(declaredLimitsKey(this.#vhost)), read(limitsKey(this.#vhost))])
    const all: LimitInfo[] = []
    for (const [task, text] of Object.entries(declared)) {
      const limit = setLimitOf(text)
      if (limit !== undefined) all.push({ task, source: 'declared', ...valuesOf(limit), perKey: limit.perKey === true })
    }
    for (const [field, text] of Object.entries(set)) {
      const limit = setLimitOf(text)
      const target = targetOf(field)
      if (limit !== undefined && target !== undefined) {
        all.push({ ...target, source: 'set', ...valuesOf(limit), since: new Date(limit.at) })
      }
    }
    const order = ({ task, source, key = '' }: LimitInfo): string => `${task} ${source} ${key}`
    return all.sort((a, b) => (order(a) < order(b) ? -1 : 1))
  }

  /** The tasks that hold a place of a `concurrency` limit. */
  async holders(target: LimitTarget): Promise<LimitHolder[]> {
    const owner = ownerOf(fieldOf('limits.holders', target))
    return new LimitKeys(this.#results(), this.#vhost).held(owner)
  }
}

/** Notes what the tasks of a worker declare, for `list()`. Never rejects: nothing depends on it. */
export async function noteDeclared(results: Results, vhost: string, tasks: readonly Task[]): Promise<void> {
  const fields = tasks.flatMap(({ name, limit }) => {
    if (limit === undefined) return []
    const { rate, concurrency, key } = limit
    return [name, JSON.stringify({ at: Date.now(), rate, concurrency, perKey: key !== undefined })]
  })
  if (fields.length === 0) return
  await results.ask((store) => store.hset(declaredLimitsKey(vhost), ...fields), STEP_MS).catch(() => undefined)
}

/** How a limit is kept: no task's name has a space. */
export const limitField = (task: string, key: string | undefined): string =>
  key === undefined ? task : `${task} ${key}`

function targetOf(field: string): { readonly task: string; readonly key?: string } | undefined {
  const space = field.indexOf(' ')
  if (space < 0) return { task: field }
  return { task: field.slice(0, space), key: field.slice(space + 1) }
}

function fieldOf(where: string, target: LimitTarget): string {
  const checks = { task: (value: unknown) => isTaskName(nameOf(value)), key: isKey }
  const { task, key } = checkOptions(where, target, checks, ['task'])
  return limitField(nameOf(task) as string, key as string | undefined)
}

function ownerOf(field: string): LimitOwner {
  const { task, key } = targetOf(field) as { task: string; key?: string }
  return { task, key }
}

const nameOf = (task: unknown): unknown => (typeof task === 'string' ? task : memberOf(task, 'name'))
const isTaskName = (name: unknown): string | undefined =>
  typeof name === 'string' && /^[^\s]+$/.test(name) && Buffer.byteLength(name) <= 255
    ? undefined
    : "a task or a task's name"
const isKey = (key: unknown): string | undefined =>
  typeof key === 'string' && Buffer.byteLength(key) <= MAX_KEY_BYTES
    ? undefined
    : `a text of up to ${MAX_KEY_BYTES} bytes`

function settle(settings: LimitSettings): { rate?: Rate | false; concurrency?: number | false } {
  const off = is.value(false)
  const checks = { rate: is.anyOf(is.record, off), concurrency: is.anyOf(isConcurrency, off) }
  const { rate, concurrency } = checkOptions('limits.set', settings, checks) as LimitSettings
  if (rate === undefined && concurrency === undefined) {
    throw new OptionsError('limits.set', ['expected `rate` or `concurrency`, or both'])
  }
  return {
    ...(rate === undefined ? {} : { rate: rate === false ? rate : settleRate('limits.set: rate', rate) }),
    ...(concurrency === undefined ? {} : { concurrency }),
  }
}

function valuesOf({ rate, concurrency }: SetLimit): { rate?: Rate | false; concurrency?: number | false } {
  return { ...(rate === undefined ? {} : { rate }), ...(concurrency === undefined ? {} : { concurrency }) }
}

/** What holds for a task or a key, of what is declared and what is set, the most special first. */
export function effective(declared: LimitValues | undefined, ...set: readonly (SetLimit | undefined)[]): LimitValues {
  const rate = set.find((each) => each?.rate !== undefined)?.rate
  const concurrency = set.find((each) => each?.concurrency !== undefined)?.concurrency
  return {
    rate: rate === undefined ? declared?.rate : rate || undefined,
    concurrency: concurrency === undefined ? declared?.concurrency : concurrency || undefined,
  }
}

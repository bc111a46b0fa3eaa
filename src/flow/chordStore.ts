/** Where the members of a Celery chord meet: keys of the result backend, as celery/backends/redis.py keeps them. */
import { MessageError, textOf } from '../errors/index.js'
import { keyScript } from '../results/keyScript.js'
import type { Results } from '../results/store.js'
import { isTable, parseJson } from '../wire/celeryValues.js'
import { chordKey, groupKey } from '../wire/names.js'
import { type ResultStatus, type StoredError, storedErrorJson } from '../wire/resultFormat.js'

/** How a member ended. */
export type CanvasEnd =
  | { readonly status: 'SUCCESS'; readonly value: unknown }
  | { readonly status: 'FAILURE' | 'REVOKED'; readonly error: StoredError }

export interface ChordMember {
  readonly group: string
  readonly index: number | undefined
  readonly id: string
}

/** The results of all members, in order; or which one failed. */
export type Gathered = { readonly values: readonly unknown[] } | { readonly failed: string; readonly text: string }

/**
 * KEYS[1]  the ends of a chord's members: a sorted set, or a list where the clients set `result_chord_ordered` to False
 * ARGV     the end, its place, what every end of this member begins with here and in Python, the TTL in milliseconds
 * Adds the end of a member that has none yet. Returns how many there are.
 */
const ADD = keyScript(`
local isList = redis.call('TYPE', KEYS[1]).ok == 'list'
local all = isList and redis.call('LRANGE', KEYS[1], 0, -1) or redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])
local known = false
for _, held in ipairs(all) do
  for each = 3, 4 do
    if string.sub(held, 1, #ARGV[each]) == ARGV[each] then known = true end
  end
end
if not known then
  if isList then redis.call('RPUSH', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return redis.call(isList and 'LLEN' or 'ZCARD', KEYS[1])`)

const STORE_MS = 10_000

export class ChordStore {
  readonly #results: Results

  constructor(results: Results) {
    this.#results = results
  }

  /** Before the first member is sent. */
  async size(group: string, size: number): Promise<void> {
    await this.#results.ask((store) => store.set(chordKey(group, '.s'), String(size), 'PX', this.#results.ttlMs))
  }

  /** Notes how a member ended. Returns whether all have. May be repeated. */
  async note({ group, index, id }: ChordMember, end: CanvasEnd): Promise<boolean> {
    const { ttlMs } = this.#results
    const json = end.status === 'SUCCESS' ? JSON.stringify(end.value ?? null) : storedErrorJson(end.error, end.status)
    const prefix = `[1,${JSON.stringify(id)},`
    const encoded = `${prefix}${JSON.stringify(end.status)},${json}]`
    const ended = await this.#results.ask((store) =>
      ADD(store, chordKey(group, '.j'), encoded, index ?? '+inf', prefix, `[1, ${JSON.stringify(id)}, `, ttlMs),
    )
    const [added, size] = await Promise.all((['.t', '.s'] as const).map((part) => this.#kept(chordKey(group, part))))
    // The client sets the number before it sends the last member.
    return size != null && Number(ended) >= Number(size) + Number(added ?? 0)
  }

  /** Undefined while one of them is still to end: a member that a Python worker ran twice has two ends. */
  async gather(group: string): Promise<Gathered | undefined> {
    const size =
      Number(await this.#kept(chordKey(group, '.s'))) + Number((await this.#kept(chordKey(group, '.t'))) ?? 0)
    const key = chordKey(group, '.j')
    const texts = await this.#results.ask(async (store) => {
      const isList = (await store.type(key)) === 'list'
      return isList ? store.lrange(key, 0, -1) : store.zrange(key, 0, -1)
    }, STORE_MS)
    const ends = new Map<string, readonly [status: unknown, value: unknown]>()
    for (const text of texts) {
      const [, id, status, value] = parseJson('The end of a chord member', text, { typed: true }) as unknown[]
      if (!ends.has(String(id))) ends.set(String(id), [status, value])
    }
    if (ends.size < size) return undefined
    for (const [id, [status, value]] of ends) {
      if (status !== 'SUCCESS') return { failed: id, text: textOfFailure(status, value) }
    }
    const nested = await this.#results.ask((store) => store.get(groupKey(group)))
    if (nested === null) return { values: [...ends.values()].map(([, value]) => value) }
    return this.#nested(nested)
  }

  /** The body was sent, or has failed. */
  async forget(group: string): Promise<void> {
    const keys = (['.j', '.t', '.s'] as const).map((part) => chordKey(group, part))
    await this.#results.ask((store) => Promise.all(keys.map((key) => store.del(key))))
  }

  /** A chord of groups and chords: its client kept which results belong together. */
  async #nested(text: string): Promise<Gathered> {
    const kept = parseJson('What is kept of a group', text) as { readonly result?: unknown }
    let failed: Gathered | undefined
    const resultOf = async (tuple: unknown): Promise<unknown> => {
      const [[id] = [], members] = tuple as readonly [readonly unknown[] | undefined, readonly unknown[] | null]
      if (Array.isArray(members)) return Promise.all(members.map(resultOf))
      const stored = await this.#results.get(String(id), { timeoutMs: STORE_MS })
      if (stored?.status === 'SUCCESS') return stored.result
      failed ??= { failed: String(id), text: stored?.error?.message ?? 'its result is gone' }
      return undefined
    }
    try {
      const values = (await resultOf(kept.result)) as readonly unknown[]
      return failed ?? { values }
    } catch (error) {
      if (error instanceof TypeError) throw new MessageError(`Expected what is kept of a group: ${textOf(error)}`)
      throw error
    }
  }

  #kept(key: string): Promise<string | null> {
    return this.#results.ask((store) => store.get(key))
  }
}

function textOfFailure(status: unknown, value: unknown): string {
  if (!isTable(value)) return String(status as ResultStatus)
  const { exc_type: type, exc_message: message } = value
  return `${String(type)}: ${Array.isArray(message) ? message.map(String).join(', ') : String(message ?? '')}`
}

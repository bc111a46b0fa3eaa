/**
 * The result store of an in-memory Warren: the parts of Valkey that Warren uses, on the test's clock. It runs the real scripts
 * (`lua.ts`), so that it makes the same decisions as a store.
 */
import { runLua } from './lua.js'
import { LIBRARY } from './luaLibrary.js'
import { type Block, parseLua } from './luaParser.js'
import { LuaTable, type LuaValue } from './luaValue.js'
import { type Entry, type Reply, StoreFailure, Stream } from './storeValues.js'

export interface StoreOptions {
  /** Whole milliseconds since 1970. */
  readonly now: () => number
}

type Listener = (channel: string, text: string) => void
type Command = (...given: string[]) => Reply

/** Parsed once for all stores. */
const programs = new Map<string, Block>()

export class MemoryStore {
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<Listener>()

  constructor({ now }: StoreOptions) {
    this.#now = now
  }

  /** Calls `listener` for every published message. Returns a function that ends that. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Throws a `StoreFailure` for a command that a store would refuse. */
  command(name: string, given: readonly (string | number)[]): Reply {
    const command = Object.hasOwn(this.#commands, name) ? this.#commands[name] : undefined
    if (command === undefined) throw new StoreFailure(`ERR unknown command '${name}' of the in-memory store`)
    return command(...given.map(String))
  }

  /** Runs a script. */
  run(script: string, keys: readonly string[], given: readonly (string | number)[]): Reply {
    const program = programs.get(script) ?? parseLua(script)
    programs.set(script, program)
    const call = (...all: LuaValue[]): readonly LuaValue[] => {
      const [command, ...rest] = all.map(String)
      return [luaOf(this.command((command ?? '').toLowerCase(), rest))]
    }
    const pcall = (...all: LuaValue[]): readonly LuaValue[] => {
      try {
        return call(...all)
      } catch (error) {
        return [LuaTable.record({ err: error instanceof Error ? error.message : String(error) })]
      }
    }
    const answer = runLua(program, {
      ...LIBRARY,
      KEYS: LuaTable.of(keys),
      ARGV: LuaTable.of(given.map(String)),
      redis: LuaTable.record({ call, pcall }),
    })
    return replyOf(answer)
  }

  #entry(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.endsAt > this.#now()) return entry
    this.#entries.delete(key)
    return undefined
  }

  #put(key: string, value: Entry['value'], endsAt = Number.POSITIVE_INFINITY): void {
    this.#entries.set(key, { value, endsAt })
  }

  #text(key: string): string | null {
    const value = this.#entry(key)?.value
    if (value === undefined) return null
    if (typeof value !== 'string') throw wrongType()
    return value
  }

  /** The collection under a key, created if there is none. */
  #collection<T extends Exclude<Entry['value'], string>>(key: string, Kind: new () => T): T {
    const known = this.#entry(key)?.value
    if (known instanceof Kind) return known
    if (known !== undefined) throw wrongType()
    const made = new Kind()
    this.#put(key, made)
    return made
  }

  /** A hash, and a sorted set by member. */
  #map(key: string): Map<string, string> {
    return this.#collection(key, Map<string, string>)
  }

  /** Empty collections are removed. */
  #kept<T>(key: string, of: Map<string, string> | Set<string>, answer: T): T {
    if (of.size === 0) this.#entries.delete(key)
    return answer
  }

  #removed(key: string, of: Map<string, string> | Set<string>, fields: readonly string[]): number {
    return this.#kept(key, of, fields.filter((field) => of.delete(field)).length)
  }

  /** The members of a sorted set, lowest first. */
  #sorted(key: string): [member: string, score: number][] {
    const all = [...this.#map(key)].map(([member, score]) => [member, Number(score)] as [string, number])
    return this.#kept(
      key,
      this.#map(key),
      all.sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1)),
    )
  }

  readonly #commands: Readonly<Record<string, Command>> = {
    ping: () => 'PONG',
    time: () => [String(Math.floor(this.#now() / 1_000)), String((this.#now() % 1_000) * 1_000)],
    get: (key = '') => this.#text(key),
    mget: (...keys) => keys.map((key) => this.#text(key)),
    getrange: (key = '', from, to) => {
      const whole = this.#text(key) ?? ''
      const place = (at: number): number => (at < 0 ? Math.max(0, whole.length + at) : at)
      return whole.slice(place(Number(from)), place(Number(to)) + 1)
    },
    set: (key = '', value = '', ...options) => {
      const at = options.findIndex((option) => option.toUpperCase() === 'PX')
      const only = options.find((option) => /^[nx]x$/i.test(option))?.toUpperCase()
      if (only !== undefined && (this.#entry(key) === undefined) !== (only === 'NX')) return null
      this.#put(key, value, at < 0 ? undefined : this.#now() + Number(options[at + 1]))
      return { ok: 'OK' }
    },
    incr: (key = '') => {
      const next = Number(this.#text(key) ?? 0) + 1
      this.#put(key, String(next), this.#entry(key)?.endsAt)
      return next
    },
    del: (...keys) => keys.filter((key) => this.#entry(key) !== undefined && this.#entries.delete(key)).length,
    exists: (...keys) => keys.filter((key) => this.#entry(key) !== undefined).length,
    pexpire: (key = '', ms) => this.#expire(key, this.#now() + Number(ms)),
    pexpireat: (key = '', at) => this.#expire(key, Number(at)),
    // Sorted sets are kept as hashes are.
    type: (key = '') => ({ ok: this.#entry(key) === undefined ? 'none' : 'hash' }),
    persist: (key = '') => this.#expire(key, Number.POSITIVE_INFINITY),
    pttl: (key = '') => {
      const endsAt = this.#entry(key)?.endsAt
      return endsAt === undefined ? -2 : endsAt === Number.POSITIVE_INFINITY ? -1 : endsAt - this.#now()
    },
    publish: (channel = '', text = '') => {
      for (const listener of [...this.#listeners]) queueMicrotask(() => listener(channel, text))
      return this.#listeners.size
    },
    hget: (key = '', field = '') => this.#hash(key).get(field) ?? null,
    hmget: (key = '', ...fields) => fields.map((field) => this.#hash(key).get(field) ?? null),
    hgetall: (key = '') => [...this.#hash(key)].flat(),
    hlen: (key = '') => this.#hash(key).size,
    hexists: (key = '', field = '') => (this.#hash(key).has(field) ? 1 : 0),
    hkeys: (key = '') => [...this.#hash(key).keys()],
    hsetnx: (key = '', field = '', value = '') => {
      if (this.#hash(key).has(field)) return 0
      this.#map(key).set(field, value)
      return 1
    },
    hscan: (key = '') => ['0', [...this.#hash(key)].flat()],
    hdel: (key = '', ...fields) => this.#removed(key, this.#map(key), fields),
    hset: (key = '', ...pairs) => {
      const hash = this.#map(key)
      const before = hash.size
      for (let at = 0; at + 1 < pairs.length; at += 2) hash.set(pairs[at] as string, pairs[at + 1] as string)
      return hash.size - before
    },
    hincrby: (key = '', field = '', by) => {
      const next = Number(this.#hash(key).get(field) ?? 0) + Number(by)
      this.#map(key).set(field, String(next))
      return next
    },
    sadd: (key = '', ...members) => {
      const set = this.#collection(key, Set<string>)
      const before = set.size
      for (const member of members) set.add(member)
      return set.size - before
    },
    srem: (key = '', ...members) => this.#removed(key, this.#collection(key, Set<string>), members),
    smembers: (key = '') => {
      const set = this.#collection(key, Set<string>)
      return this.#kept(key, set, [...set])
    },
    zadd: (key = '', ...pairs) => {
      const set = this.#map(key)
      const before = set.size
      for (let at = 0; at + 1 < pairs.length; at += 2) set.set(pairs[at + 1] as string, String(scoreOf(pairs[at])))
      return set.size - before
    },
    zrem: (key = '', ...members) => this.#removed(key, this.#map(key), members),
    zscore: (key = '', member = '') => this.#hash(key).get(member) ?? null,
    zcard: (key = '') => this.#hash(key).size,
    zrange: (key = '', from, to) => {
      const members = this.#sorted(key).map(([member]) => member)
      const end = Number(to)
      return members.slice(Number(from), end < 0 ? members.length + end + 1 : end + 1)
    },
    zrangebyscore: (key = '', low, high, ...options) => {
      const members = this.#sorted(key).flatMap(([member, score]) => (isWithin(score, low, high) ? [member] : []))
      const at = options.findIndex((option) => option.toUpperCase() === 'LIMIT')
      if (at < 0) return members
      const offset = Number(options[at + 1])
      return members.slice(offset, offset + Number(options[at + 2]))
    },
    zremrangebyscore: (key = '', low, high) => {
      const members = this.#sorted(key).flatMap(([member, score]) => (isWithin(score, low, high) ? [member] : []))
      return this.#removed(key, this.#map(key), members)
    },
    xadd: (key = '', ...given) => this.#collection(key, Stream).add(given),
    xlen: (key = '') => this.#stream(key).length,
    xtrim: (key = '', ...given) => this.#stream(key).trim(given),
    xrange: (key = '', from = '-', to = '+', ...options) => this.#stream(key).range(from, to, options),
    xrevrange: (key = '', to = '+', from = '-', ...options) => this.#stream(key).range(from, to, options, true),
  }

  /** For reading: a missing one is empty, and is not created. */
  #hash(key: string): ReadonlyMap<string, string> {
    return this.#entry(key) === undefined ? new Map() : this.#map(key)
  }

  #stream(key: string): Stream {
    return this.#entry(key) === undefined ? new Stream() : this.#collection(key, Stream)
  }

  #expire(key: string, endsAt: number): number {
    const entry = this.#entry(key)
    if (entry === undefined) return 0
    entry.endsAt = endsAt
    return 1
  }
}

const wrongType = (): StoreFailure =>
  new StoreFailure('WRONGTYPE Operation against a key holding the wrong kind of value')

/** A score, or one end of a range of them. */
function scoreOf(text = '0'): number {
  const bare = text.replace('(', '')
  return /inf$/.test(bare) ? (bare.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY) : Number(bare)
}

const isWithin = (score: number, low = '-inf', high = '+inf'): boolean =>
  (low.startsWith('(') ? score > scoreOf(low) : score >= scoreOf(low)) &&
  (high.startsWith('(') ? score < scoreOf(high) : score <= scoreOf(high))

/** A reply as a script sees it. */
function luaOf(reply: Reply): LuaValue {
  if (reply === null) return false
  if (typeof reply !== 'object') return reply
  return 'ok' in reply ? LuaTable.record({ ok: reply.ok }) : LuaTable.of(reply.map(luaOf))
}

/** What a script returns, as its caller sees it. */
function replyOf(value: LuaValue): Reply {
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value === 'string') return value
  if (value === true) return 1
  if (!(value instanceof LuaTable)) return null
  const error = value.get('err')
  if (typeof error === 'string') throw new StoreFailure(error)
  const ok = value.get('ok')
  return typeof ok === 'string' ? { ok } : value.list().map(replyOf)
}

/** A connection to the in-memory store with the interface of Warren's client, and the target that creates them. */
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { defaults } from '../options.js'
import type { StoreConnection, StoreTarget } from '../results/connection.js'
import { BEGIN, EVENTS, STORE } from '../results/script.js'
import { Results } from '../results/store.js'
import type { TestClock } from './clock.js'
import { MemoryStore } from './store.js'
import { type Reply, StoreFailure } from './storeValues.js'

/** Scripts that the client knows by name, with their number of keys where it is fixed. */
const NAMED: Readonly<Record<string, { readonly lua: string; readonly keys?: number }>> = {
  warrenStore: { lua: STORE },
  warrenEvents: { lua: EVENTS },
  warrenBegin: { lua: BEGIN, keys: 1 },
}

type Given = readonly (string | number)[]

/** By their hash: `EVALSHA` works from the second time on, as in a store. */
const scripts = new Map<string, string>()

class MemoryConnection extends EventEmitter {
  readonly #store: MemoryStore
  readonly #channels = new Set<string>()
  readonly #patterns = new Set<string>()
  readonly #stopListening: () => void

  constructor(store: MemoryStore) {
    super()
    this.#store = store
    this.#stopListening = store.listen((channel, text) => {
      if (this.#channels.has(channel)) this.emit('message', channel, text)
      for (const pattern of this.#patterns) {
        if (channel.startsWith(pattern.slice(0, -1))) this.emit('pmessage', pattern, channel, text)
      }
    })
  }

  async connect(): Promise<void> {}

  disconnect(): void {
    this.#stopListening()
  }

  async subscribe(channel: string): Promise<void> {
    this.#channels.add(channel)
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#channels.delete(channel)
  }

  /** Patterns that end in `*`. */
  async psubscribe(pattern: string): Promise<void> {
    this.#patterns.add(pattern)
  }

  async eval(lua: string, count: number, ...given: Given): Promise<unknown> {
    scripts.set(createHash('sha1').update(lua).digest('hex'), lua)
    return plain(this.#store.run(lua, given.slice(0, count).map(String), given.slice(count)))
  }

  async evalsha(sha: string, count: number, ...given: Given): Promise<unknown> {
    const lua = scripts.get(sha)
    if (lua === undefined) throw new StoreFailure('NOSCRIPT No matching script')
    return this.eval(lua, count, ...given)
  }

  async command(name: string, given: Given): Promise<unknown> {
    const named = NAMED[name]
    if (named !== undefined) {
      const all = named.keys === undefined ? given.slice(1) : given
      return this.eval(named.lua, named.keys ?? Number(given[0]), ...all)
    }
    // Lists may be given as one.
    const reply = plain(this.#store.command(name, given.flat()))
    return name === 'hgetall' ? recordOf(reply as string[]) : reply
  }
}

/** The client answers a status with its text. */
const plain = (reply: Reply): unknown =>
  typeof reply !== 'object' || reply === null ? reply : 'ok' in reply ? reply.ok : reply.map(plain)

function recordOf(pairs: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (let at = 0; at + 1 < pairs.length; at += 2) record[pairs[at] as string] = pairs[at + 1] as string
  return record
}

/** Every command is a method of the client. */
function connectionTo(store: MemoryStore): StoreConnection {
  const connection = new MemoryConnection(store)
  const client = new Proxy(connection, {
    get(target, name) {
      const own: unknown = Reflect.get(target, name, target)
      if (typeof own === 'function') return own.bind(target)
      if (own !== undefined || typeof name !== 'string' || name === 'then') return own
      return (...given: Given) => target.command(name, given)
    },
  })
  // It has all methods that Warren calls; the client's type has hundreds.
  return client as unknown as StoreConnection
}

const memoryTarget = (store: MemoryStore): StoreTarget => ({
  address: 'memory',
  cluster: false,
  connection: () => connectionTo(store),
})

/** Results in a store of their own, with the defaults of `connect()`. */
export const memoryResults = (clock: TestClock, producerId: string): Results =>
  new Results({
    target: memoryTarget(new MemoryStore(clock)),
    ...{ producerId, ttlMs: defaults.resultTtlMs, connectTimeoutMs: defaults.connectTimeoutMs },
    history: { vhost: '/', maxEntries: defaults.historyMaxEntries, keepMs: defaults.resultTtlMs },
  })

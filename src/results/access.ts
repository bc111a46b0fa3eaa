/** How keys are written and read: many in one command, or, in a cluster, each by itself, since their slots differ. */
import type { HistoryNote } from '../wire/historyEntry.js'
import { deliveriesKey, eventsKey, hasEventsInCluster, replyChannel, resultKey, suspectKey } from '../wire/names.js'
import { encodePending } from '../wire/resultFormat.js'
import type { StoreConnection } from './connection.js'
import type { Remembering } from './remembering.js'
import { type EventsReply, type ResultWrite, storeArguments } from './script.js'

/** How long the store keeps what a probe writes. */
const PROBE_TTL_MS = 1_000

export class Access {
  readonly #commands: StoreConnection
  readonly #cluster: boolean
  readonly #history: Remembering | undefined

  constructor(commands: StoreConnection, cluster: boolean, history?: Remembering) {
    this.#commands = commands
    this.#cluster = cluster
    this.#history = history
  }

  /** Stores, announces and notes in the history: for each, whether it was stored. */
  async write(writes: readonly ResultWrite[], ttlMs: number): Promise<readonly number[]> {
    if (!this.#cluster) {
      return this.#commands.warrenStore(...storeArguments(writes, ttlMs, this.#history?.of(writes)))
    }
    const each = writes.map((write) => this.#commands.warrenStore(...storeArguments([write], ttlMs)))
    const answers = (await Promise.all(each)).flat()
    // In a slot of its own. Not waited for: no acknowledgement depends on it.
    void this.#history?.note(this.#commands, writes, answers)
    return answers
  }

  /** Notes what another script has stored. Never rejects. */
  async note(note: HistoryNote): Promise<void> {
    await this.#history?.note(this.#commands, [{ key: '', encoded: '', reply: '', note }], [1])
  }

  /** The latest run of a task, its result where it is final, and its events from one that was read before. */
  events(id: string, run: number, number: number, count: number): Promise<EventsReply> {
    const keys = this.hasEvents(id) ? [resultKey(id), eventsKey(id)] : [resultKey(id)]
    return this.#commands.warrenEvents(keys.length, ...keys, run, number, count)
  }

  /** Whether a task's events can be kept: in a cluster they must be in the slot of its result. */
  hasEvents(id: string): boolean {
    return !this.#cluster || hasEventsInCluster(id)
  }

  /** The values of keys, null for those that hold none. */
  read(keys: readonly string[]): Promise<readonly (string | null)[]> {
    return this.#cluster ? Promise.all(keys.map((key) => this.#commands.get(key))) : this.#commands.mget([...keys])
  }

  /** Changes with each start of the server, and with the server. Undefined in a cluster, which has many. */
  async server(): Promise<string | undefined> {
    if (this.#cluster) return undefined
    return /^run_id:(\w+)/m.exec(await this.#commands.info('server'))?.[1]
  }

  /** Does with keys of its own what Warren does with others: rejects with what the store says to that. */
  async probe(producerId: string): Promise<void> {
    const [one, other] = [`warren-probe-a-${producerId}`, `warren-probe-b-${producerId}`]
    // Twice, since what replaces something needs more rights; two, since a cluster refuses them together.
    const writes = [one, other, one].map((id) => ({
      key: resultKey(id),
      encoded: encodePending({ id, run: 0 }),
      reply: replyChannel(producerId),
      event: { key: eventsKey(id), run: 0, entry: '{}' },
    }))
    const count = deliveriesKey('warren-probe', producerId)
    await Promise.all([
      this.write(writes, PROBE_TTL_MS),
      this.read([resultKey(one), resultKey(other)]),
      this.#commands.incr(count),
      this.#commands.pexpire(count, PROBE_TTL_MS),
      this.#commands.set(suspectKey(one), '1', 'PX', PROBE_TTL_MS),
      this.#commands.del(suspectKey(one)),
      this.#history?.probe(this.#commands),
    ])
  }
}

/**
 * Tasks that ended just now, as the store announces them. Thousands may end in a second, and a page shows a few: while
 * somebody watches, it listens at the beginning of each second until it has heard of some, then stops listening until
 * the next. So its cost has a bound, whatever the load. It owns one connection to the store.
 */
import { EventEmitter } from 'node:events'
import { Redis } from 'iovalkey'
import { resultKey, type StoredResult, storeOptions } from 'warren'
import { type Excerpt, excerpt, jsonExcerpt } from './text.js'

export interface TaskView {
  readonly id: string
  readonly status: string
  readonly attempt?: number
  /** ISO 8601 in UTC. */
  readonly doneAt?: string
  readonly worker?: string
  readonly result?: Excerpt
  readonly error?: { readonly errorClass: string; readonly message: Excerpt }
}

const SECOND_MS = 1_000
const MAX_A_SECOND = 20
const MAX_HEARD = 200
const MAX_KEPT = 100
const MAX_ID = 255
const MAX_RESULT = 300

export class RecentTasks extends EventEmitter<{ tasks: [{ tasks: readonly TaskView[]; more: boolean }] }> {
  readonly #store: Redis
  readonly #read: (id: string) => Promise<StoredResult | undefined>
  readonly #pattern = `${resultKey('')}*`
  readonly #heard = new Set<string>()
  #messages = 0
  /** Whether it is known how the store is: not before the first connection came about or failed. */
  #tried = false
  #listening = false
  #watchers = 0
  #timer: NodeJS.Timeout | undefined
  #kept: TaskView[] = []

  /** Opens no connection; `start` does. `read` gives what the store holds of a task. */
  constructor(url: string, read: (id: string) => Promise<StoredResult | undefined>) {
    super()
    this.setMaxListeners(0)
    this.#read = read
    this.#store = new Redis({
      ...storeOptions(url),
      lazyConnect: true,
      maxRetriesPerRequest: null,
      retryStrategy: (failures) => Math.min(2_000, 100 * failures),
      // Asked for anew each second while somebody watches.
      autoResubscribe: false,
    })
    this.#store.on('error', () => undefined)
    this.#store.on('close', () => {
      this.#tried = true
      this.#listening = false
    })
    this.#store.on('pmessage', (_pattern: string, channel: string) => this.#hear(channel))
  }

  get kept(): readonly TaskView[] {
    return this.#kept
  }

  get state(): 'available' | 'unavailable' | 'unknown' {
    if (this.#store.status === 'ready') return 'available'
    return this.#tried ? 'unavailable' : 'unknown'
  }

  start(): void {
    void this.#store.connect().catch(() => undefined)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#store.disconnect()
  }

  /** Somebody looks on until the function that it gives is called. */
  watch(): () => void {
    if (this.#watchers++ === 0) this.#timer = setInterval(() => void this.#turn(), SECOND_MS)
    let over = false
    return () => {
      if (over) return
      over = true
      if (--this.#watchers > 0) return
      clearInterval(this.#timer)
      this.#silence()
    }
  }

  #hear(channel: string): void {
    this.#messages++
    const id = channel.slice(this.#pattern.length - 1)
    if (id.length <= MAX_ID && this.#heard.size < MAX_A_SECOND) this.#heard.add(id)
    if (this.#messages >= MAX_HEARD) this.#silence()
  }

  #silence(): void {
    if (!this.#listening) return
    this.#listening = false
    this.#store.punsubscribe(this.#pattern).catch(() => undefined)
  }

  async #turn(): Promise<void> {
    const ids = [...this.#heard]
    const more = this.#messages > ids.length
    this.#heard.clear()
    this.#messages = 0
    if (this.state === 'available' && !this.#listening) {
      this.#listening = true
      this.#store.psubscribe(this.#pattern).catch(() => {
        this.#listening = false
      })
    }
    if (ids.length === 0) return
    const found = await Promise.all(ids.map((id) => this.#read(id).catch(() => undefined)))
    const tasks = found.filter((result) => result !== undefined).map((result) => taskView(result))
    if (tasks.length === 0) return
    const fresh = new Set(tasks.map(({ id }) => id))
    this.#kept = [...tasks, ...this.#kept.filter(({ id }) => !fresh.has(id))].slice(0, MAX_KEPT)
    this.emit('tasks', { tasks, more })
  }
}

export function taskView({ id, status, attempt, doneAt, result, error }: StoredResult, max = MAX_RESULT): TaskView {
  // The demo's results name the worker that made them.
  const worker = (result as { worker?: unknown } | null | undefined)?.worker
  return {
    id,
    status: status.slice(0, 50),
    ...(attempt === undefined ? {} : { attempt }),
    ...(doneAt === undefined ? {} : { doneAt: doneAt.toISOString() }),
    ...(typeof worker === 'string' ? { worker: worker.slice(0, 100) } : {}),
    ...(error === undefined
      ? { result: jsonExcerpt(result, max) }
      : { error: { errorClass: error.errorClass.slice(0, 200), message: excerpt(error.message, max) } }),
  }
}

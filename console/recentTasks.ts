/**
 * Tasks that ended just now, as the store announces them. Thousands may end in a second, and a page shows a few: while
 * somebody watches, it listens at the beginning of each second until it has heard of some, then stops listening until
 * the next. So its cost has a bound, whatever the load. It owns one connection to the store, and is the history of tasks where
 * the store keeps none.
 */
import { EventEmitter } from 'node:events'
import { Redis } from 'iovalkey'
import { resultKey, type StoredResult, storeOptions } from 'warren'
import { hasWords } from './paging.js'
import { STATES, type TaskHistory, type TaskItem, type TaskSearch, type TasksFound } from './taskHistory.js'
import { excerpt, jsonExcerpt } from './text.js'

const SECOND_MS = 1_000
const MAX_A_SECOND = 20
const MAX_HEARD = 200
const MAX_KEPT = 2_000
/** How many a page is sent when it opens. */
const MAX_SENT = 50
const MAX_ID = 255
const MAX_RESULT = 300

export class RecentTasks
  extends EventEmitter<{ tasks: [{ tasks: readonly TaskItem[]; more: boolean }] }>
  implements TaskHistory
{
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
  #kept: TaskItem[] = []

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

  /** The latest first. */
  get kept(): readonly TaskItem[] {
    return this.#kept.slice(0, MAX_SENT)
  }

  async find(search: TaskSearch): Promise<TasksFound> {
    const from = Number(search.after ?? 0)
    const found = this.#kept.filter((task) => fits(task, search))
    const items = found.slice(from, from + search.size)
    const more = found.length > from + search.size
    return { items, source: 'sample', ...(more ? { next: String(from + search.size) } : {}) }
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
    const tasks = found.filter((result) => result !== undefined).map((result) => taskItem(result))
    if (tasks.length === 0) return
    const fresh = new Set(tasks.map(({ id }) => id))
    this.#kept = [...tasks, ...this.#kept.filter(({ id }) => !fresh.has(id))].slice(0, MAX_KEPT)
    this.emit('tasks', { tasks, more })
  }
}

function fits(item: TaskItem, { state, task, queue, worker, q, since, until }: TaskSearch): boolean {
  const at = Date.parse(item.doneAt ?? item.startedAt ?? '')
  return (
    (state === undefined || (STATES[state] as readonly string[]).includes(item.status)) &&
    (task === undefined || item.task === task) &&
    (queue === undefined || item.queue === queue) &&
    (worker === undefined || item.worker?.startsWith(worker) === true) &&
    (since === undefined || at >= since) &&
    (until === undefined || at < until) &&
    (q === undefined ||
      hasWords(`${item.id} ${item.task ?? ''} ${item.error?.errorClass ?? ''} ${item.error?.message.text ?? ''}`, q))
  )
}

/** What the store holds of a task, for a page; `max` characters of each value. */
export function taskItem(stored: StoredResult, max = MAX_RESULT): TaskItem {
  const { id, status, task, queue, attempt, queuedAt, startedAt, doneAt, result, error } = stored
  // The demo's results name the worker that made them, and a task that has begun the process that runs it.
  const { worker, hostname } = (result ?? {}) as { worker?: unknown; hostname?: unknown }
  const who =
    typeof worker === 'string' ? worker : status === 'STARTED' && typeof hostname === 'string' ? hostname : undefined
  return {
    id,
    status: status.slice(0, 50),
    ...(task === undefined ? {} : { task: task.slice(0, 255) }),
    ...(queue === undefined ? {} : { queue: queue.slice(0, 255) }),
    ...(attempt === undefined ? {} : { attempt }),
    ...(queuedAt === undefined ? {} : { queuedAt: queuedAt.toISOString() }),
    ...(startedAt === undefined ? {} : { startedAt: startedAt.toISOString() }),
    ...(doneAt === undefined ? {} : { doneAt: doneAt.toISOString() }),
    ...(who === undefined ? {} : { worker: who.slice(0, 100) }),
    ...(error === undefined
      ? { result: jsonExcerpt(result, max) }
      : { error: { errorClass: error.errorClass.slice(0, 200), message: excerpt(error.message, max) } }),
  }
}

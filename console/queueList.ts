/** The list of queues, filtered, sorted and cut to a page, with what only the console knows of each. Pure. */
import { domainOf, type PausedQueue } from 'warren'
import type { Moment } from './observer.js'
import { type Asked, hasWords, type Page, pageOf } from './paging.js'
import type { Age } from './queueAge.js'
import type { QueueTrends } from './queueTrends.js'
import { isReached, type QueueRole, type QueueView, queueKey } from './queueViews.js'
import { Refusal } from './refusal.js'
import { type DeadLettering, deadLettering } from './troubles.js'

export interface QueueItem extends QueueView {
  /** Of its task; else what stands before the first dot of its name. */
  readonly domain: string
  readonly age?: Age
  readonly paused?: { readonly since: Date; readonly reason?: string }
  readonly deadLettering?: DeadLettering
  /** How many waited, oldest first. */
  readonly trend: readonly (number | null)[]
  /** For how many queues this row stands, where it is not one: the delay levels of a virtual host. */
  readonly stands?: number
}

export interface QueueSources {
  readonly moment: Moment
  readonly trends: QueueTrends
  readonly paused: readonly PausedQueue[] | undefined
  /** Pauses are of the virtual host of the console's own connection. */
  readonly vhost: string
}

const SORTS = ['name', 'ready', 'unacknowledged', 'age', 'published', 'delivered', 'consumers'] as const
type Sort = (typeof SORTS)[number]
const STATES = ['', 'trouble', 'waiting', 'paused'] as const
const ORDER: Readonly<Record<QueueRole, number>> = { task: 0, other: 1, delay: 2, retry: 3, deadLetters: 4 }
const TREND = 30

export interface QueueQuery {
  readonly q: string
  readonly role: string
  readonly state: (typeof STATES)[number]
  readonly sort: Sort | undefined
  readonly down: boolean
}

/** Throws a refusal. */
export function queueQuery({
  q = '',
  role = '',
  state = '',
  sort = '',
  dir = '',
}: Readonly<Record<string, string>>): QueueQuery {
  const known = SORTS.find((each) => each === sort)
  const wanted = STATES.find((each) => each === state)
  if (wanted === undefined) throw new Refusal(400, 'BAD_FILTER', 'Expected `state` to be trouble, waiting or paused')
  return { q: q.trim().slice(0, 200), role, state: wanted, sort: known, down: dir === 'down' }
}

export function listQueues(sources: QueueSources, query: QueueQuery, asked: Asked): Page<QueueItem> {
  const { moment } = sources
  const all = [...moment.queues.filter(({ role }) => role !== 'delay'), ...levels(moment.queues)]
  const items = all.map((queue) => itemOf(queue, sources))
  const found = items.filter((item) => fits(item, query)).sort(by(query))
  return pageOf(found, moment.queuesInAll ?? items.length, asked)
}

export function itemOf(
  queue: QueueView & { stands?: number },
  { moment, trends, paused, vhost }: QueueSources,
): QueueItem {
  const age = queue.ready === undefined ? undefined : moment.ages[queueKey(queue)]
  const pause = queue.vhost === vhost ? paused?.find((each) => each.queue === queue.name) : undefined
  const kept = queue.role === 'task' ? deadLettering(moment, queue) : undefined
  return {
    ...queue,
    domain: domainOf(queue.task ?? queue.name),
    trend: trends.waiting(queue, TREND),
    ...(age === undefined ? {} : { age }),
    ...(pause === undefined
      ? {}
      : { paused: { since: pause.since, ...(pause.reason ? { reason: pause.reason } : {}) } }),
    ...(kept === undefined ? {} : { deadLettering: kept }),
  }
}

function fits(item: QueueItem, { q, role, state }: QueueQuery): boolean {
  const { name, service = '', ready = 0, paused } = item
  if (q !== '' && !hasWords(`${name} ${service}`, q)) return false
  if (role !== '' && item.role !== role) return false
  if (state === 'waiting') return ready > 0
  if (state === 'paused') return paused !== undefined
  return state !== 'trouble' || isTroubled(item)
}

const isTroubled = (item: QueueItem): boolean =>
  isReached(item) === false ||
  item.deadLettering === 'missing' ||
  (item.role === 'task' && item.consumers === 0 && (item.ready ?? 0) > 0)

function by({ sort, down }: QueueQuery): (a: QueueItem, b: QueueItem) => number {
  const name = (a: QueueItem, b: QueueItem) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.vhost < b.vhost ? -1 : 1)
  if (sort === undefined) return (a, b) => ORDER[a.role] - ORDER[b.role] || name(a, b)
  if (sort === 'name') return (a, b) => (down ? -1 : 1) * name(a, b)
  const value = (item: QueueItem) => (sort === 'age' ? item.age?.ms : item[sort])
  // What is not known stands last, whichever way.
  return (a, b) => {
    const [one, other] = [value(a), value(b)]
    if (one === undefined || other === undefined) {
      return one === other ? name(a, b) : one === undefined ? 1 : -1
    }
    return (down ? other - one : one - other) || name(a, b)
  }
}

/** A delay has many queues, of which each alone says nothing: one row for all of a virtual host. */
function levels(queues: readonly QueueView[]): (QueueView & { stands: number })[] {
  const delays = queues.filter(({ role }) => role === 'delay')
  return [...new Set(delays.map(({ vhost }) => vhost))].map((vhost) => {
    const all = delays.filter((queue) => queue.vhost === vhost)
    const worst =
      all.find((queue) => isReached(queue) === false) ?? all.find(({ state }) => state === 'unknown') ?? all[0]
    const { type = 'quorum', state = 'unknown', members, online } = worst ?? {}
    return {
      ...{ name: 'warren.delay', vhost, type, role: 'delay' as const, state, stands: all.length },
      ...(members === undefined ? {} : { members }),
      ...(online === undefined ? {} : { online }),
      ...sums(all, 'ready', 'unacknowledged', 'consumers', 'published', 'delivered'),
    }
  })
}

type Figure = 'ready' | 'unacknowledged' | 'consumers' | 'published' | 'delivered'

/** Without those of which one part is not known. */
function sums(queues: readonly QueueView[], ...names: readonly Figure[]): Partial<Record<Figure, number>> {
  const known = names.filter((name) => queues.every((queue) => queue[name] !== undefined))
  return Object.fromEntries(known.map((name) => [name, queues.reduce((sum, queue) => sum + (queue[name] ?? 0), 0)]))
}

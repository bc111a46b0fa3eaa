/** What needs somebody's attention now, in sentences, each with the view that shows more. Only what is known. Pure. */
import { deadLetterExchange, domainOf, type PausedQueue } from 'warren'
import type { Moment } from './observer.js'
import { isDelay, isReached, type QueueView } from './queueViews.js'

export interface Trouble {
  readonly tone: 'bad' | 'warn' | 'plain'
  readonly text: string
  /** Where the page shows more, as its path and query. */
  readonly at?: string
}

const MOST = 8
const UNROUTABLE = 'warren.delay.unroutable'

export function troublesOf(moment: Moment, paused: readonly PausedQueue[] | undefined): Trouble[] {
  const all = [
    ...nodeTroubles(moment),
    ...metricsTroubles(moment),
    ...serverTroubles(moment),
    ...queueTroubles(moment),
    ...(paused ?? []).map(({ queue, reason }) =>
      plain(`${queue} is paused${reason ? `: ${reason}` : ''}`, pathOf(queue)),
    ),
  ]
  const more = all.length - MOST
  return more > 1 ? [...all.slice(0, MOST), plain(`${more} more of these`, 'queues?state=trouble')] : all
}

const bad = (text: string, at?: string): Trouble => ({ tone: 'bad', text, ...(at === undefined ? {} : { at }) })
const warn = (text: string, at?: string): Trouble => ({ tone: 'warn', text, ...(at === undefined ? {} : { at }) })
const plain = (text: string, at: string): Trouble => ({ tone: 'plain', text, at })
const pathOf = (name: string) => `queues?q=${encodeURIComponent(name)}`

function nodeTroubles({ nodes, problem }: Moment): Trouble[] {
  if (problem !== undefined) return [bad(`RabbitMQ does not answer the console: ${problem}`)]
  return nodes.flatMap(({ name, state, why, alarms, partitions }) => [
    ...(state === 'down' || state === 'frozen' ? [bad(`${name} is ${state}${why ? ` (${why})` : ''}`, 'cluster')] : []),
    ...alarms.map((alarm) => bad(`${name} has a ${alarm} alarm: producers are blocked until it is over`, 'cluster')),
    ...(partitions.length > 0 ? [bad(`${name} is cut off from ${partitions.join(', ')}`, 'cluster')] : []),
  ])
}

function metricsTroubles({ problem, metricsProblem }: Moment): Trouble[] {
  if (problem !== undefined || metricsProblem === undefined) return []
  return [warn(`Rates are not known: RabbitMQ counts none for its management API here, and ${metricsProblem}`)]
}

function serverTroubles({ store, stores = [], proxy }: Moment): Trouble[] {
  const wrong = (state: string) => !['running', 'available', 'unknown', 'starting'].includes(state)
  return [
    ...(store && wrong(store.state)
      ? [bad(`${store.name} is ${store.state}: workers hold what they finish`, 'cluster')]
      : []),
    ...stores
      .filter(({ state }) => wrong(state))
      .map(({ name, state }) => warn(`${name} is ${state}: the result store has no replica`, 'cluster')),
    ...(proxy && wrong(proxy.state)
      ? [bad(`${proxy.name} is ${proxy.state}: clients lose their way to the nodes`, 'cluster')]
      : []),
  ]
}

function queueTroubles(moment: Moment): Trouble[] {
  const { queues } = moment
  const away = queues.filter((queue) => isReached(queue) === false && !isDelay(queue.name))
  const unread = queues.filter(
    ({ role, consumers, ready }) => role === 'task' && consumers === 0 && ready !== undefined && ready > 0,
  )
  const unroutable = queues.find(({ name, ready }) => name === UNROUTABLE && (ready ?? 0) > 0)
  return [
    ...away.map(({ name, state, leader }) =>
      bad(`${name} cannot be reached: it is ${state}${leader ? ` on ${leader}` : ''}`, pathOf(name)),
    ),
    ...missing(moment),
    ...unread.map(({ name, ready = 0 }) =>
      warn(`Nobody takes from ${name}: ${counted(ready, 'message')} wait`, pathOf(name)),
    ),
    ...(unroutable
      ? [
          warn(
            `${counted(unroutable.ready ?? 0, 'delayed message')} found no queue when due`,
            `dead-letters/${UNROUTABLE}`,
          ),
        ]
      : []),
  ]
}

/** Exchanges for dead letters that queues name and nobody declared: what dies there is held by its worker, or lost. */
function missing(moment: Moment): Trouble[] {
  const users = new Map<string, QueueView[]>()
  for (const queue of moment.queues) {
    const name = queue.role === 'task' ? missingExchange(moment, queue) : undefined
    if (name === undefined) continue
    users.set(name, [...(users.get(name) ?? []), queue])
  }
  return [...users].map(([exchange, queues]) =>
    bad(
      `${exchange} is missing: what dies in ${queues.length === 1 ? queues[0]?.name : counted(queues.length, 'queue')} has no place to go; declare it, or load warren definitions`,
      queues.length === 1 ? pathOf(queues[0]?.name ?? '') : 'queues?state=trouble',
    ),
  )
}

/**
 * Whether what dies in a queue is kept: `missing`, its exchange is not there; `unbound`, no queue takes from that;
 * `none`, it names no exchange. Undefined where that is not known.
 */
export type DeadLettering = 'kept' | 'missing' | 'unbound' | 'none'

export function deadLettering(
  moment: Pick<Moment, 'exchanges' | 'exchangesUnknown'>,
  queue: QueueView,
): DeadLettering | undefined {
  if (moment.exchangesUnknown || queue.state === 'unknown') return undefined
  const needed = neededBy(queue)
  if (needed.length === 0) return 'none'
  if (missingExchange(moment, queue) !== undefined) return 'missing'
  return needed.every((name) => find(moment, queue, name)?.queues.length) ? 'kept' : 'unbound'
}

/** RabbitMQ dead-letters where the policy says; a worker, to the exchange of its task's domain. */
const neededBy = ({ deadLetterExchange: policys, task }: QueueView): string[] => [
  ...new Set([
    ...(policys === undefined ? [] : [policys]),
    ...(task === undefined ? [] : [deadLetterExchange(domainOf(task))]),
  ]),
]

const find = ({ exchanges }: Pick<Moment, 'exchanges'>, { vhost }: QueueView, name: string) =>
  exchanges.find((each) => each.vhost === vhost && each.name === name)

function missingExchange(moment: Pick<Moment, 'exchanges' | 'exchangesUnknown'>, queue: QueueView): string | undefined {
  if (moment.exchangesUnknown || queue.state === 'unknown') return undefined
  return neededBy(queue).find((name) => find(moment, queue, name) === undefined)
}

const counted = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`

/** What changed from one snapshot to the next, in plain words. Pure. */
import { isDelay, isReached, type QueueView, queueKey } from './queueViews.js'
import type { NodeView, Snapshot } from './snapshot.js'

export type Tone = 'bad' | 'good' | 'plain'

export interface Happening {
  readonly id: number
  readonly at: number
  readonly tone: Tone
  readonly text: string
}

export type Said = Pick<Happening, 'tone' | 'text'>

const bad = (text: string): Said => ({ tone: 'bad', text })
const good = (text: string): Said => ({ tone: 'good', text })
const plain = (text: string): Said => ({ tone: 'plain', text })

/** Sentences for all that is worth telling. Moves of leaders are left to {@link moves}, which can time them. */
export function compare(before: Snapshot, after: Snapshot): Said[] {
  return [
    ...reach(before, after),
    ...nodeChanges(before, after),
    ...queueChanges(before, after),
    ...serverChanges(before, after),
    ...workerChanges(before, after),
  ]
}

function reach(before: Snapshot, after: Snapshot): Said[] {
  if (before.problem === undefined && after.problem !== undefined) {
    return [bad(`No node of RabbitMQ answers the console: ${after.problem}`)]
  }
  if (before.problem !== undefined && after.problem === undefined) return [good('RabbitMQ answers the console again')]
  return []
}

// ---------------------------------------------------------------- nodes

function nodeChanges(before: Snapshot, after: Snapshot): Said[] {
  return pairs(before.nodes, after.nodes, ({ name }) => name).flatMap(([old, now]) => {
    const said: Said[] = []
    if (old.state !== now.state) said.push(...nodeSentence(old, now, before))
    for (const alarm of now.alarms) {
      if (!old.alarms.includes(alarm))
        said.push(bad(`${now.name} has a ${alarm} alarm: RabbitMQ accepts no messages until it is resolved`))
    }
    for (const alarm of old.alarms) {
      if (!now.alarms.includes(alarm) && now.state === 'up')
        said.push(good(`${now.name} has no ${alarm} alarm any more`))
    }
    if (old.partitions.length === 0 && now.partitions.length > 0) {
      said.push(bad(`${now.name} is cut off from ${listed(now.partitions)}`))
    }
    const fronts = [old.front, now.front].map((front) => front?.split(' ', 1)[0])
    if (now.state === 'up' && fronts[0] === 'DOWN' && fronts[1] === 'UP') {
      said.push(plain(`HAProxy sends connections to ${now.name} again`))
    }
    return said
  })
}

function nodeSentence(old: NodeView, now: NodeView, before: Snapshot): Said[] {
  const { name } = now
  switch (now.state) {
    case 'down': {
      const why = now.why === undefined ? '' : ` (${now.why})`
      // What lived only there was told when it froze.
      return old.state === 'frozen'
        ? [plain(`${name} is down${why}`)]
        : [bad(`${name} went down${why}${aftermath(name, before.queues)}`)]
    }
    case 'frozen':
      return [bad(`${name} is frozen: its connections stay open but do not answer${aftermath(name, before.queues)}`)]
    case 'stopping':
      // It ends a moment later, and then there is more to tell.
      return []
    case 'starting':
      return [plain(`${name} is starting`)]
    case 'up':
      return old.state === 'unknown' ? [] : [good(`${name} is back`)]
    case 'unknown':
      return []
    default:
      return now.state satisfies never
  }
}

/** What lived only on a node that is gone, as the end of a sentence. */
function aftermath(node: string, queues: readonly QueueView[]): string {
  const only = queues.filter(
    ({ type, leader, members }) => leader === node && (type === 'classic' || members?.length === 1),
  )
  if (only.length === 0) return ''
  const names = listed(only.map(({ name }) => name))
  return `; ${names} existed only there, and wait${only.length === 1 ? 's' : ''} until it is back`
}

// ---------------------------------------------------------------- queues

function queueChanges(before: Snapshot, after: Snapshot): Said[] {
  if (after.problem !== undefined) return []
  const both = pairs(before.queues, after.queues, queueKey)
  const changed = both.flatMap(([old, now]) => {
    // There are many of them, and nothing happens to one alone.
    if (isDelay(now.name)) return []
    const said: Said[] = []
    // Of a queue that is only just there, RabbitMQ says nothing at first: it was never away.
    if (isReached(old) === false && isReached(now)) {
      said.push(good(`${now.name} can be reached again${now.leader === undefined ? '' : `, on ${now.leader}`}`))
    }
    const [had, has] = [old.consumers, now.consumers]
    if (now.role === 'task' && had !== undefined && has !== undefined) {
      if (had > 0 && has === 0 && isReached(now)) said.push(bad(`${now.name} has no consumers any more`))
      if (had === 0 && has > 0) {
        said.push(good(`${now.name} has ${has === 1 ? 'one consumer' : `${has} consumers`} now`))
      }
    }
    const more = (now.ready ?? 0) - (old.ready ?? 0) + (now.unacknowledged ?? 0) - (old.unacknowledged ?? 0)
    if (now.role === 'deadLetters' && old.ready !== undefined && now.ready !== undefined && more > 0) {
      said.push(bad(`${count(more)} more dead letter${more === 1 ? '' : 's'} in ${now.name}`))
    }
    return said
  })
  const known = new Set(before.queues.map(queueKey))
  const added = after.queues.filter((queue) => !known.has(queueKey(queue)) && queue.role === 'task')
  // What was there before the first look is no news; and where not all are looked at, one may only have moved up.
  const partial = before.queuesInAll !== undefined || after.queuesInAll !== undefined
  const news =
    before.queues.length === 0 || partial
      ? []
      : added.map(({ name, type }) => plain(`${name} was declared, a ${type} queue`))
  return [...changed, ...news]
}

/**
 * What the next snapshot is compared with: this one, and where it says nothing of a node or queue, what was known before.
 * So a queue that is away, then unknown, then running again is told of once; and one that is unknown for a look never.
 */
export function remember(before: Snapshot | undefined, after: Snapshot): Snapshot {
  const old = new Map(before?.queues.map((queue) => [queueKey(queue), queue]))
  const queues = after.queues.map((queue) => {
    const earlier = old.get(queueKey(queue))
    const state = queue.state === 'unknown' ? (earlier?.state ?? 'unknown') : queue.state
    return { ...earlier, ...queue, state }
  })
  const nodesBefore = new Map(before?.nodes.map(({ name, state }) => [name, state]))
  const nodes = after.nodes.map((node) =>
    node.state === 'unknown' ? { ...node, state: nodesBefore.get(node.name) ?? node.state } : node,
  )
  return { ...after, nodes, queues, workers: after.workersUnknown ? (before?.workers ?? []) : after.workers }
}

/** Queues whose leader changed, and where it went. */
export interface Move {
  readonly queue: string
  readonly from: string
  readonly to: string
}

export type Place = Pick<QueueView, 'name' | 'vhost' | 'type' | 'leader'>

export function moves(before: readonly Place[], after: readonly Place[]): Move[] {
  return pairs(before, after, queueKey).flatMap(([old, now]) =>
    old.leader !== undefined && now.leader !== undefined && old.leader !== now.leader && !isDelay(now.name)
      ? [{ queue: now.name, from: old.leader, to: now.leader }]
      : [],
  )
}

/** `afterMs`: how long after its node went down the queue had a new leader, where that was measured. */
export const moveSentence = ({ queue, from, to }: Move, afterMs?: number): Said =>
  plain(
    `${queue} moved its leader ${afterMs === undefined ? `from ${from} to ${to}` : `to ${to} in ${seconds(afterMs)}`}`,
  )

// ---------------------------------------------------------------- the rest

function serverChanges(before: Snapshot, after: Snapshot): Said[] {
  return [
    [before.store, after.store, 'workers hold finished tasks until it is back'] as const,
    [before.proxy, after.proxy, 'clients and workers cannot reach the nodes'] as const,
    ...pairs(before.stores ?? [], after.stores ?? [], ({ name }) => name).map(
      ([old, now]) => [old, now, 'the other server of the result store is all there is'] as const,
    ),
  ].flatMap(([old, now, means]) => {
    if (old === undefined || now === undefined || old.state === now.state) return []
    const well = (state: string) => state === 'running' || state === 'available'
    if (well(now.state)) return [good(`${now.name} is back`)]
    return well(old.state) ? [bad(`${now.name} is ${now.state}; ${means}`)] : []
  })
}

function workerChanges(before: Snapshot, after: Snapshot): Said[] {
  if (after.workersUnknown) return []
  const names = (snapshot: Snapshot) => new Set(snapshot.workers.map(({ name }) => name))
  const [old, now] = [names(before), names(after)]
  const came = [...now].filter((name) => !old.has(name))
  const went = [...old].filter((name) => !now.has(name))
  const changed = pairs(before.workers, after.workers, ({ name }) => name).flatMap(([was, is]) => {
    if (was.state === is.state) return []
    const why = is.detail === undefined ? '' : `: ${is.detail.split('\n', 1)[0] ?? ''}`
    switch (is.state) {
      case 'running':
        return was.state === 'frozen' ? [good(`${is.name} goes on`)] : [good(`${is.name} is ready`)]
      case 'exited':
      case 'restarting':
        return [bad(`${is.name} ended by itself${why}; its messages go to other workers`)]
      case 'stopped':
        return was.state === 'stopping' ? [plain(`${is.name} has ended`)] : [bad(`${is.name} was ended${why}`)]
      case 'frozen':
        return [bad(`${is.name} is frozen; its messages wait until it is thawed or its connection times out`)]
      default:
        return []
    }
  })
  return [
    // A whole pool that comes or goes is one sentence.
    ...(came.length > 0 && before.workers.length > 0
      ? [plain(`${count(now.size)} workers now: ${listed(came)} came`)]
      : []),
    ...(went.length > 0
      ? [plain(`${count(now.size)} worker${now.size === 1 ? '' : 's'} now: ${listed(went)} went`)]
      : []),
    ...changed,
  ]
}

function pairs<Item>(before: readonly Item[], after: readonly Item[], key: (item: Item) => string): [Item, Item][] {
  const old = new Map(before.map((item) => [key(item), item]))
  return after.flatMap((item): [Item, Item][] => {
    const earlier = old.get(key(item))
    return earlier === undefined ? [] : [[earlier, item]]
  })
}

const MOST_LISTED = 4
const listed = (names: readonly string[]): string => {
  if (names.length > MOST_LISTED) {
    return `${names.slice(0, MOST_LISTED).join(', ')} and ${names.length - MOST_LISTED} more`
  }
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

const count = (value: number): string => value.toLocaleString('en-US')
const seconds = (ms: number): string => `${Math.max(0.1, ms / 1000).toFixed(1)} s`

/** What a storm must give back: connections, queues, keys, memory and file handles, compared with those before it. */
import { readdirSync, readFileSync } from 'node:fs'
import { Redis } from 'iovalkey'
import { storeOptions } from 'warren'
import type { DrillCluster } from '../drillCluster.js'

export interface Holdings {
  readonly queues: readonly string[]
  readonly connections: number
  /** Keys of the store that no time limit ends, by what their names begin with. */
  readonly lasting: readonly string[]
  /** Of the drill's own process. */
  readonly handles: number
  readonly residentMb: number
}

/** Records that stay on purpose: of schedules, cancellings, pauses and the version of both. */
const KEPT = /^warren-(schedule|cancelled|paused|control)/
/** Each worker has one of its own for remote control, which goes with it. */
const OF_A_WORKER = /\.celery\.pidbox$/
const MORE_HANDLES = 25
const MORE_MB = 250
const MORE_CONNECTIONS = 2
const MAX_NAMED = 5

export async function holdings({ management, resultsUrl }: DrillCluster): Promise<Holdings> {
  const queues = await management.request<{ name: string }[]>('GET', '/queues/%2F?columns=name')
  const connections = await management.request<unknown[]>('GET', '/connections?columns=name')
  return {
    queues: queues
      .map(({ name }) => name)
      .filter((name) => !OF_A_WORKER.test(name))
      .sort(),
    connections: connections.length,
    lasting: await lastingKeys(resultsUrl),
    handles: processHandles('self'),
    residentMb: processMb('self'),
  }
}

/** How many files a process has open; 0 of one that has ended. */
export function processHandles(pid: string): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}

/** Its resident memory in MB; 0 of one that has ended. */
export function processMb(pid: string): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

async function lastingKeys(url: string): Promise<string[]> {
  const store = new Redis(storeOptions(url))
  store.on('error', () => {})
  try {
    const lasting: string[] = []
    let cursor = '0'
    do {
      const [next, keys] = await store.scan(cursor, 'COUNT', 1_000)
      cursor = next
      const limits = await Promise.all(keys.map((key) => store.pttl(key)))
      lasting.push(...keys.filter((key, index) => limits[index] === -1 && !KEPT.test(key)))
    } while (cursor !== '0')
    return lasting.sort()
  } finally {
    store.disconnect()
  }
}

/** A sentence for each that has not come back. */
export function leftOver(before: Holdings, after: Holdings): string[] {
  const more = (one: readonly string[], other: readonly string[]) => one.filter((each) => !other.includes(each))
  const named = (names: readonly string[]) => names.slice(0, MAX_NAMED).join(', ')
  const [gone, added] = [more(before.queues, after.queues), more(after.queues, before.queues)]
  const keys = more(after.lasting, before.lasting)
  return [
    ...(gone.length > 0 ? [`${gone.length} queues are gone: ${named(gone)}`] : []),
    ...(added.length > 0 ? [`${added.length} queues are left: ${named(added)}`] : []),
    ...(keys.length > 0 ? [`${keys.length} keys without a time limit are left: ${named(keys)}`] : []),
    ...(after.connections > before.connections + MORE_CONNECTIONS
      ? [`${after.connections} connections are open, and ${before.connections} were before`]
      : []),
    ...(after.handles > before.handles + MORE_HANDLES
      ? [`the producer's process has ${after.handles} open files, and had ${before.handles}`]
      : []),
    ...(after.residentMb > before.residentMb + MORE_MB
      ? [`the producer's process takes ${Math.round(after.residentMb)} MB, and took ${Math.round(before.residentMb)}`]
      : []),
  ]
}

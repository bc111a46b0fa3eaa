/** One look at everything that may grow: memory, open files, connections, channels, queues, messages, keys. */
import { readdirSync, readFileSync } from 'node:fs'
import { Redis } from 'iovalkey'
import { storeOptions } from 'warren'
import type { DrillCluster } from '../drillCluster.js'
import { processHandles, processMb } from '../storm/leftovers.js'
import type { SeriesName } from './series.js'

type Values = Partial<Record<SeriesName, number>>

export class Sampler {
  readonly #drillCluster: DrillCluster
  readonly #store: Redis

  constructor(drillCluster: DrillCluster) {
    this.#drillCluster = drillCluster
    this.#store = new Redis({
      ...storeOptions(drillCluster.resultsUrl),
      ...{ maxRetriesPerRequest: 1, commandTimeout: 3_000 },
    })
    this.#store.on('error', () => {})
  }

  close(): void {
    this.#store.disconnect()
  }

  /** What does not answer at this moment, because it is being restarted, is left out. */
  async take(): Promise<Values> {
    const parts = await Promise.all([
      this.#processes().catch(() => ({})),
      this.#broker().catch(() => ({})),
      this.#keys().catch(() => ({})),
    ])
    return Object.assign({ producerMb: processMb('self') }, ...parts) as Values
  }

  async #processes(): Promise<Values> {
    const { processes } = await this.#drillCluster.cluster.status()
    // A sum without one of them is no sum.
    if (processes.some(({ state }) => state !== 'running')) return {}
    const groups = processGroups()
    const sum = (kinds: readonly string[], of: (pid: string) => number): number =>
      processes
        .filter(({ kind }) => kinds.includes(kind))
        .flatMap(({ pid }) => groups.get(String(pid)) ?? [])
        .reduce((total, pid) => total + of(pid), 0)
    return {
      workersMb: sum(['worker'], processMb),
      nodesMb: sum(['rabbitmq'], processMb),
      handles: processHandles('self') + sum(['worker', 'rabbitmq', 'store', 'haproxy'], processHandles),
    }
  }

  async #broker(): Promise<Values> {
    const { management } = this.#drillCluster
    const { object_totals: objects, queue_totals: totals } = await management.request<{
      object_totals: { connections: number; channels: number; queues: number }
      queue_totals: { messages?: number }
    }>('GET', '/overview?columns=object_totals,queue_totals')
    const { connections, channels, queues } = objects
    return { connections, channels, queues, ...(totals.messages === undefined ? {} : { messages: totals.messages }) }
  }

  async #keys(): Promise<Values> {
    const [keys, info] = await Promise.all([this.#store.dbsize(), this.#store.info('memory')])
    return { keys, storeMb: Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? Number.NaN) / 2 ** 20 }
  }
}

/** The processes of each group: a node is a script and what it starts. */
function processGroups(): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    try {
      // After the name, which may hold anything: state, parent, group.
      const group = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[2]
      if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), pid])
    } catch {
      // It has just ended.
    }
  }
  return groups
}

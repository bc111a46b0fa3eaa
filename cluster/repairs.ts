/**
 * Looks at the nodes while the cluster runs, and repairs what RabbitMQ does not repair by itself.
 *
 * It owns the memory of what is dark and since when. It acts only on a settled cluster: every node's process has been
 * running untouched for a while and all nodes see each other, so that it never works against somebody (a person or a
 * drill) who has just stopped, frozen or cut off a node. One repair at a time; after each, the next for the same trouble
 * waits twice as long. Whatever fails is said in a line, and tried again later.
 */
import { textOf } from 'warren'
import { type Trouble, troubleKey } from './troubles.js'

export const repairTimes = {
  /** How often it looks. */
  intervalMs: 4_000,
  /** How long a trouble must last, on a settled cluster, before it is repaired. */
  patienceMs: 10_000,
  /** How long to wait after the first repair of a trouble before the second. It doubles each time. */
  initialBackoffMs: 30_000,
  maxBackoffMs: 600_000,
} as const

export interface RepairTools {
  /**
   * The nodes' processes as one string that changes whenever one of them does; undefined while one of them does not run,
   * or the nodes do not all see each other.
   */
  readonly settled: (signal: AbortSignal) => Promise<string | undefined>
  readonly look: (signal: AbortSignal) => Promise<readonly Trouble[]>
  readonly startVirtualHost: (vhost: string, node: string, signal: AbortSignal) => Promise<void>
  readonly restartNode: (node: string, signal: AbortSignal) => Promise<void>
  /** A line for people. */
  readonly say: (line: string) => void
}

interface Dark {
  since: number
  seen: number
  tries: number
  notBefore: number
}

export class Repairs {
  readonly #tools: RepairTools
  readonly #dark = new Map<string, Dark>()
  #settled: { readonly as: string; readonly since: number } | undefined
  #timer: NodeJS.Timeout | undefined
  #abort = new AbortController()

  constructor(tools: RepairTools) {
    this.#tools = tools
  }

  start(): void {
    this.#abort = new AbortController()
    this.#again(this.#abort.signal)
  }

  /** Takes effect at once, except that a repair that has begun runs to its end. */
  stop(): void {
    this.#abort.abort()
    clearTimeout(this.#timer)
    this.#dark.clear()
    this.#settled = undefined
  }

  #again(signal: AbortSignal): void {
    if (signal.aborted) return
    this.#timer = setTimeout(() => {
      this.#round(signal)
        // A node that does not answer is no news here: the next look tells.
        .catch(() => undefined)
        .finally(() => this.#again(signal))
    }, repairTimes.intervalMs)
    this.#timer.unref()
  }

  async #round(signal: AbortSignal): Promise<void> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(repairTimes.intervalMs)])
    const as = await this.#tools.settled(limited).catch(() => undefined)
    const now = performance.now()
    if (as !== this.#settled?.as) this.#settled = as === undefined ? undefined : { as, since: now }
    if (this.#settled === undefined) {
      // What was dark during a fault says nothing about what is dark after it.
      for (const dark of this.#dark.values()) dark.since = Number.POSITIVE_INFINITY
      return
    }
    const troubles = (await this.#tools.look(limited)).filter(isRepairable)
    this.#remember(troubles, now)
    if (now - this.#settled.since < repairTimes.patienceMs) return
    const due = troubles.find((trouble) => {
      const dark = this.#dark.get(troubleKey(trouble))
      return dark !== undefined && now - dark.since >= repairTimes.patienceMs && now >= dark.notBefore
    })
    if (due === undefined || signal.aborted) return
    await this.#repair(due, signal)
  }

  #remember(troubles: readonly Trouble[], now: number): void {
    const present = new Set(troubles.map(troubleKey))
    for (const [key, dark] of this.#dark) {
      if (present.has(key)) {
        if (dark.since > now) dark.since = now
        dark.seen = now
      } else {
        dark.since = Number.POSITIVE_INFINITY
        // It is remembered for a while after it passed: one that comes back at once is not tried at once.
        if (now - dark.seen > repairTimes.maxBackoffMs || dark.tries === 0) this.#dark.delete(key)
      }
    }
    for (const key of present) {
      if (!this.#dark.has(key)) this.#dark.set(key, { since: now, seen: now, tries: 0, notBefore: now })
    }
  }

  async #repair(trouble: Trouble, signal: AbortSignal): Promise<void> {
    const dark = this.#dark.get(troubleKey(trouble))
    if (dark === undefined) return
    const { startVirtualHost, restartNode, say } = this.#tools
    const { node, vhost } = trouble
    const first = dark.tries === 0
    dark.tries++
    const waitMs = Math.min(repairTimes.maxBackoffMs, repairTimes.initialBackoffMs * 2 ** (dark.tries - 1))
    const attempt = first ? '' : ` (repair ${dark.tries})`
    try {
      if (trouble.kind === 'virtualHostDown' && vhost !== undefined && first) {
        say(`${trouble.what} Starting it.`)
        await startVirtualHost(vhost, node, signal)
      } else {
        say(`${trouble.what} Restarting ${node}.${attempt}`)
        await restartNode(node, signal)
      }
      say(`${node}: repair done; checking again`)
    } catch (problem) {
      if (!signal.aborted) say(`${node}: the repair failed: ${textOf(problem)}; next in ${waitMs / 1000} s`)
    } finally {
      dark.notBefore = performance.now() + waitMs
    }
  }
}

/** An operator has to repair memory, disk space and the network. */
const isRepairable = ({ kind }: Trouble): boolean => kind === 'virtualHostDown' || kind === 'queueDown'

/**
 * One storm from beginning to verdict:
 *
 *     whole cluster ─▶ mixed work ─▶ gust, repair, calm; again until time is up ─▶ work ends ─▶ all settled ─▶ verdict
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'iovalkey'
import { connect, definitions, planOperator, resultKey, storeOptions, textOf, type Warren } from 'warren'
import { repositoryRoot, waitFor } from '../../cluster/index.js'
import { SERVICE } from '../../demo/tasks.js'
import { DELIVERY_LIMIT, DrillCluster, WORKERS } from '../drillCluster.js'
import { persist } from '../persist.js'
import { TcpProxy } from '../tcpProxy.js'
import { QUEUE_KEYS } from '../timeline.js'
import { Book } from './book.js'
import { type Frozen, type Violation, violations } from './check.js'
import { blow } from './faults.js'
import { type Holdings, holdings, leftOver } from './leftovers.js'
import { drawStorm } from './plan.js'
import { Random } from './random.js'
import type { StormSabotage } from './sabotage.js'
import { stormTasks } from './tasks.js'
import { Work } from './work.js'

export interface StormOptions {
  readonly seed: number
  readonly minutes: number
  /** Tasks a second, of all kinds. */
  readonly ratePerSecond: number
  readonly dir: string
  /** On a store with a replica, which is failed over, too. */
  readonly storeReplica: boolean
  readonly sabotage: StormSabotage | undefined
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

export interface StormOutcome {
  readonly verdict: 'passed' | 'failed'
  readonly seed: number
  readonly seconds: number
  readonly rabbitmqVersion: string
  readonly gusts: number
  readonly faults: number
  /** Tasks by kind, and what workers did with them. */
  readonly tasks: Readonly<Record<string, number>>
  readonly runs: number
  readonly ticks: number
  readonly violations: readonly Violation[]
}

const LOOK_MS = 1_000
const BATCH = 1_000
const TICK_EVERY_MS = 2_000
/** How long the rest may take once the work has ended. */
const SETTLE_MS = 240_000
const KILLERS_MS = 90_000
const PAUSING_MS = 60_000
const CALM_FIRST_MS = 5_000

export async function runStorm(options: StormOptions): Promise<StormOutcome> {
  const { dir, storeReplica, sabotage, signal, say } = options
  const startedAt = Date.now()
  const worker = join(repositoryRoot(), 'dist', 'drills', 'storm', 'worker.js')
  const drillCluster = await DrillCluster.open({
    ...{ dir, storeReplica },
    workerCommand: [process.execPath, worker, ...(sabotage === undefined ? [] : [sabotage])],
  })
  const interrupt = () => void drillCluster.close()
  signal.addEventListener('abort', interrupt, { once: true })
  try {
    say(`Starting three nodes, HAProxy, the store and workers in ${drillCluster.cluster.dir}`)
    await drillCluster.cluster.start()
    await loadTopology(drillCluster)
    await drillCluster.heal(signal)
    return await new Storm(options, drillCluster).run(startedAt)
  } finally {
    signal.removeEventListener('abort', interrupt)
    say('Stopping what was started')
    await drillCluster.close()
  }
}

export async function loadTopology({ management }: DrillCluster): Promise<void> {
  const tasks = QUEUE_KEYS.map((queue) => stormTasks[queue])
  const retention = { [stormTasks.payment.name]: { deliveryLimit: DELIVERY_LIMIT } }
  await management.request('POST', '/definitions', definitions(planOperator(SERVICE, tasks, retention), []))
}

class Storm {
  readonly #options: StormOptions
  readonly #drillCluster: DrillCluster
  readonly #book = new Book()
  readonly #frozen: Frozen[] = []
  readonly #found: Violation[] = []
  readonly #store: Redis
  readonly #undo: (() => unknown)[] = []
  #gusts = 0
  #faults = 0

  constructor(options: StormOptions, drillCluster: DrillCluster) {
    this.#options = options
    this.#drillCluster = drillCluster
    this.#store = new Redis({
      ...storeOptions(drillCluster.resultsUrl),
      ...{ maxRetriesPerRequest: 1, commandTimeout: 5_000 },
    })
    this.#store.on('error', () => {})
  }

  async run(startedAt: number): Promise<StormOutcome> {
    const { seed, sabotage, ratePerSecond, signal, say } = this.#options
    const drillCluster = this.#drillCluster
    const rabbitmqVersion = await drillCluster.version()
    try {
      this.#undo.push(
        () => this.#store.disconnect(),
        drillCluster.followWorkers((line) => this.#book.worker(line)),
      )
      const through = new URL(drillCluster.adminUrl)
      const proxy = await TcpProxy.open({ host: through.hostname, port: Number(through.port) })
      this.#undo.push(() => proxy.close())
      const warren = await connect({
        broker: proxy.urlFor(through.href),
        results: drillCluster.resultsUrl,
        name: 'storm',
        logger: false,
      })
      this.#undo.push(() => warren.close())
      const schedules = warren.schedules({ service: SERVICE })
      const schedule = `storm-${Date.now()}`
      const begun = await schedules.upsert(schedule, {
        ...{
          task: stormTasks.payment,
          input: { does: 'ok' as const, ms: 5 },
          everyMs: TICK_EVERY_MS,
          catchUp: 'all' as const,
        },
      })
      const work = new Work({ warren, book: this.#book, random: new Random(seed ^ 0x5eed), ratePerSecond, sabotage })
      this.#undo.push(() => work.stop())
      work.start()
      say(`Mixed work: ${ratePerSecond} tasks a second, and a schedule that ticks every ${TICK_EVERY_MS / 1000} s`)
      const looking = new AbortController()
      this.#undo.push(() => looking.abort())
      void this.#lookOnAndOn(warren, looking.signal)
      await delay(CALM_FIRST_MS, undefined, { signal })
      const before = await persist('counting what is open', () => holdings(drillCluster), signal)
      await this.#blow(proxy, startedAt)
      work.stop()
      say('The work ends; waiting until all of it is settled')
      const ticks = await this.#endSchedule(warren, schedule, begun.next as Date)
      await this.#settle(work, warren, ticks)
      await this.#takeDeadLetters()
      await this.#read([...this.#book.entries.keys()])
      drillCluster.readWorkers()
      await this.#compare(before)
      const all = [...violations(this.#book, this.#frozen, ticks), ...this.#found]
      return {
        ...{ verdict: all.length === 0 ? 'passed' : 'failed', seed, rabbitmqVersion, violations: all },
        ...{ seconds: (Date.now() - startedAt) / 1000, gusts: this.#gusts, faults: this.#faults, ticks: ticks.length },
        ...this.#counts(),
      }
    } finally {
      for (const step of this.#undo.reverse()) await step()
    }
  }

  async #blow(proxy: TcpProxy, startedAt: number): Promise<void> {
    const { seed, minutes, storeReplica, sabotage, signal, say } = this.#options
    const tell = (line: string) => say(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${line}`)
    const until = Date.now() + minutes * 60_000
    for (const gust of drawStorm(seed, sabotage, storeReplica)) {
      if (Date.now() > until) return
      this.#gusts++
      this.#faults += gust.faults.length
      const ground = {
        drillCluster: this.#drillCluster,
        proxy,
        workers: WORKERS,
        storeReplica,
        signal,
        say: tell,
        frozen: this.#frozen,
      }
      await blow(gust, ground).catch((error: unknown) => {
        signal.throwIfAborted()
        tell(`a repair failed: ${textOf(error)}`)
      })
      const from = Date.now()
      await this.#drillCluster.revive(signal).catch((error: unknown) => {
        signal.throwIfAborted()
        const faults = JSON.stringify(gust.faults.map(({ fault }) => fault))
        this.#found.push({
          promise: 'all is back after its repair',
          count: 1,
          examples: [`${textOf(error)}, after ${faults}`],
        })
        tell(`NOT BACK: ${textOf(error)}`)
      })
      tell(`whole again after ${((Date.now() - from) / 1000).toFixed(1)} s; ${this.#book.entries.size} tasks so far`)
      await delay(gust.calmMs, undefined, { signal })
    }
  }

  /** Keeps each SUCCESS as it was first seen, and sends back what was dead-lettered on purpose. */
  async #lookOnAndOn(warren: Warren, signal: AbortSignal): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      const open = [...this.#book.entries]
        .filter(([, { firstSuccess }]) => firstSuccess === undefined)
        .map(([id]) => id)
      await this.#read(open).catch(() => undefined)
      if (round % 10 === 9) await this.#redrive(warren).catch(() => undefined)
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async #read(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += BATCH) {
      const some = ids.slice(at, at + BATCH)
      const texts = await this.#store.mget(some.map(resultKey))
      const now = Date.now()
      for (const [index, text] of texts.entries()) this.#book.stored(some[index] ?? '', text, now)
    }
  }

  async #redrive(warren: Warren): Promise<void> {
    for (const domain of QUEUE_KEYS) {
      await warren
        .deadLetters({ domain, deliveryLimit: 1_000 })
        .redrive({ reason: 'failed' }, { signal: this.#options.signal })
    }
  }

  /** Resolves with the ids of the tasks of all its ticks. */
  async #endSchedule(warren: Warren, id: string, first: Date): Promise<string[]> {
    const { signal } = this.#options
    const schedules = warren.schedules({ service: SERVICE })
    await persist('pausing the schedule', () => schedules.pause(id), signal, PAUSING_MS)
    // What a worker had in hand when it was paused.
    await delay(TICK_EVERY_MS * 2, undefined, { signal })
    const last = (await persist('reading the schedule', () => schedules.get(id), signal))?.last?.tick.getTime() ?? 0
    const ticks: string[] = []
    for (let tick = first.getTime(); tick <= last; tick += TICK_EVERY_MS)
      ticks.push(schedules.taskId(id, new Date(tick)))
    for (const tick of ticks) {
      this.#book.add(tick, { kind: 'tick', queue: 'payment', confirmed: true, due: undefined }).handleEnd =
        'not awaited'
    }
    this.#undo.push(() => schedules.remove(id).catch(() => undefined))
    return ticks
  }

  async #settle(work: Work, warren: Warren, ticks: readonly string[]): Promise<void> {
    const { signal } = this.#options
    const settled = async (): Promise<string | undefined> => {
      await this.#redrive(warren)
      await this.#read([...this.#book.unsettled(), ...ticks])
      const isKiller = (id: string) => this.#book.entries.get(id)?.kind === 'killer'
      const left = [...this.#book.unsettled()].filter((id) => !isKiller(id)).length
      if (left > 0) return `${left} tasks have not ended`
      const killers = [...this.#book.entries.keys()].filter(isKiller).length
      return work.pending > killers ? `${work.pending} handles are pending` : undefined
    }
    await waitFor('the end of all tasks', settled, { timeoutMs: SETTLE_MS, signal, intervalMs: 2_000 }).catch(
      (error: unknown) => {
        signal.throwIfAborted()
        this.#options.say(textOf(error))
      },
    )
  }

  async #takeDeadLetters(): Promise<void> {
    const { signal } = this.#options
    const take = () =>
      this.#drillCluster.takeDeadLetters(
        () => true,
        ({ id, reason }) => this.#book.deadLettered(id, reason),
      )
    const dead = async (): Promise<string | undefined> => {
      await take()
      const left = [...this.#book.unsettled()].length
      return left === 0 ? undefined : `${left} tasks have no end`
    }
    // Killers, by now: they take some workers with them first.
    await waitFor('the end of the killers', dead, { timeoutMs: KILLERS_MS, signal, intervalMs: 2_000 }).catch(() =>
      signal.throwIfAborted(),
    )
  }

  async #compare(before: Holdings): Promise<void> {
    const { signal } = this.#options
    let after = leftOver(before, await persist('counting what is open', () => holdings(this.#drillCluster), signal))
    // RabbitMQ counts connections some seconds late.
    for (let time = 0; time < 10 && after.length > 0; time++) {
      await delay(2_000, undefined, { signal })
      after = leftOver(before, await persist('counting what is open', () => holdings(this.#drillCluster), signal))
    }
    if (after.length > 0) this.#found.push({ promise: 'all is given back', count: after.length, examples: after })
  }

  #counts(): { tasks: Record<string, number>; runs: number } {
    const tasks: Record<string, number> = {}
    let runs = 0
    for (const entry of this.#book.entries.values()) {
      tasks[entry.kind] = (tasks[entry.kind] ?? 0) + 1
      runs += entry.runs.length
    }
    return { tasks, runs }
  }
}

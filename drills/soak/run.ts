/**
 * A soak from beginning to verdict:
 *
 *     whole cluster ─▶ steady work, sampled, with a restart now and then ─▶ work ends ─▶ all handles end ─▶ verdict
 *
 * The first quarter is for warming up: results expire within it, so that from then on as many keys go as come. The last is
 * compared with the second.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, textOf } from 'warren'
import { repositoryRoot, waitFor } from '../../cluster/index.js'
import { DrillCluster } from '../drillCluster.js'
import { persist } from '../persist.js'
import { holdings, leftOver } from '../storm/leftovers.js'
import { loadTopology } from '../storm/run.js'
import { planRestarts, QUARTERS } from './plan.js'
import { Sampler } from './sample.js'
import { type Comparison, compare, type Sample, SERIES, SERIES_NAMES, valueText } from './series.js'
import { SoakWork } from './work.js'

export interface SoakOptions {
  readonly minutes: number
  /** Tasks a second, of all kinds. */
  readonly ratePerSecond: number
  readonly dir: string
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

export interface SoakEvent {
  readonly atMs: number
  readonly text: string
}

export interface SoakOutcome {
  readonly verdict: 'passed' | 'failed'
  /** Why it failed, in sentences. */
  readonly reasons: readonly string[]
  readonly minutes: number
  readonly ratePerSecond: number
  readonly startedAt: number
  readonly rabbitmqVersion: string
  readonly tasks: { readonly sent: number; readonly ended: number; readonly failed: number }
  readonly comparisons: readonly Comparison[]
  readonly restarts: readonly SoakEvent[]
  readonly samples: readonly Sample[]
}

const MINUTE_MS = 60_000
/** About as many in a quarter, however long it lasts. */
const SAMPLES_IN_QUARTER = 60
const SAMPLE_MIN_MS = 2_000
/** Connections, subscriptions and consumers are made, and first code compiled, before anything is counted. */
const BEFORE_MS = 5_000
const SETTLE_MS = 120_000
const COUNTING_MS = 30_000

export async function runSoak(options: SoakOptions): Promise<SoakOutcome> {
  const { minutes, dir, signal, say } = options
  const resultTtlMs = Math.round((minutes * MINUTE_MS) / QUARTERS / 2)
  const worker = join(repositoryRoot(), 'dist', 'drills', 'storm', 'worker.js')
  const drillCluster = await DrillCluster.open({
    ...{ dir, workerCommand: [process.execPath, worker] },
    env: { WARREN_RESULT_TTL_MS: String(resultTtlMs) },
  })
  const interrupt = () => void drillCluster.close()
  signal.addEventListener('abort', interrupt, { once: true })
  try {
    say(`Starting three nodes, HAProxy, the store and workers in ${drillCluster.cluster.dir}`)
    await drillCluster.cluster.start()
    await loadTopology(drillCluster)
    await drillCluster.restore(signal)
    return await new Soak(options, drillCluster, resultTtlMs).run()
  } finally {
    signal.removeEventListener('abort', interrupt)
    say('Stopping what was started')
    await drillCluster.close()
  }
}

class Soak {
  readonly #options: SoakOptions
  readonly #drillCluster: DrillCluster
  readonly #resultTtlMs: number
  readonly #samples: Sample[] = []
  readonly #restarts: SoakEvent[] = []
  readonly #reasons: string[] = []
  readonly #undo: (() => unknown)[] = []
  #begunAt = 0

  constructor(options: SoakOptions, drillCluster: DrillCluster, resultTtlMs: number) {
    this.#options = options
    this.#drillCluster = drillCluster
    this.#resultTtlMs = resultTtlMs
  }

  async run(): Promise<SoakOutcome> {
    const { minutes, ratePerSecond, signal, say } = this.#options
    const drillCluster = this.#drillCluster
    const durationMs = minutes * MINUTE_MS
    const startedAt = Date.now()
    try {
      const warren = await connect({
        ...{ broker: drillCluster.adminUrl, results: drillCluster.resultsUrl, resultTtlMs: this.#resultTtlMs },
        ...{ name: 'soak', logger: false },
      })
      this.#undo.push(() => warren.close())
      const work = new SoakWork(warren, ratePerSecond)
      this.#undo.push(() => work.stop())
      this.#undo.push(drillCluster.followWorkers((line) => work.worker(line)))
      say(
        `Steady work for ${minutes} minutes: ${ratePerSecond} tasks a second; results expire after ${this.#resultTtlMs / 1_000} s`,
      )
      work.start()
      this.#begunAt = performance.now()
      await delay(BEFORE_MS, undefined, { signal })
      const before = await persist('counting what is open', () => holdings(drillCluster), signal)
      await Promise.all([this.#sampleOnAndOn(work, durationMs), this.#restartNowAndThen(durationMs)])
      work.stop()
      say('The work ends; waiting until every handle has ended')
      await this.#settle(work)
      await this.#compareHoldings(before)
      const comparisons = compare(this.#samples, durationMs)
      this.#reasons.push(...comparisons.filter(({ grew }) => grew).map(growth))
      return {
        ...{ verdict: this.#reasons.length === 0 ? 'passed' : 'failed', reasons: this.#reasons },
        ...{ minutes, ratePerSecond, startedAt, rabbitmqVersion: await drillCluster.version() },
        tasks: { sent: work.sent, ended: work.ended, failed: work.failed },
        ...{ comparisons, restarts: this.#restarts, samples: this.#samples },
      }
    } finally {
      for (const step of this.#undo.reverse()) await step()
    }
  }

  get #atMs(): number {
    return performance.now() - this.#begunAt
  }

  async #sampleOnAndOn(work: SoakWork, durationMs: number): Promise<void> {
    const { signal } = this.#options
    const sampler = new Sampler(this.#drillCluster)
    const everyMs = Math.max(SAMPLE_MIN_MS, durationMs / QUARTERS / SAMPLES_IN_QUARTER)
    let saidAt = 0
    try {
      while (this.#atMs < durationMs) {
        await delay(everyMs, undefined, { signal })
        const { latenessMs, resultMs } = work.take()
        const values = {
          ...(await sampler.take()),
          ...(latenessMs === undefined ? {} : { latenessMs }),
          ...(resultMs === undefined ? {} : { resultMs }),
        }
        const sample = { atMs: Math.round(this.#atMs), values }
        this.#samples.push(sample)
        if (sample.atMs - saidAt < MINUTE_MS) continue
        saidAt = sample.atMs
        this.#options.say(progress(sample, work))
      }
    } finally {
      sampler.close()
    }
  }

  async #restartNowAndThen(durationMs: number): Promise<void> {
    const { signal, say } = this.#options
    for (const { atMs, name } of planRestarts(durationMs)) {
      await delay(Math.max(0, atMs - this.#atMs), undefined, { signal })
      const event = { atMs: Math.round(this.#atMs), text: `restart ${name}` }
      this.#restarts.push(event)
      say(`${minutesText(event.atMs)}  restarting ${name}`)
      try {
        await this.#drillCluster.cluster.restartProcess(name)
        await this.#drillCluster.heal(signal)
      } catch (error) {
        signal.throwIfAborted()
        this.#reasons.push(`after the restart of ${name}: ${textOf(error)}`)
      }
    }
  }

  async #settle(work: SoakWork): Promise<void> {
    const { signal } = this.#options
    const ended = async () => (work.pending === 0 ? undefined : `${work.pending} have not ended`)
    await waitFor('the end of all handles', ended, { timeoutMs: SETTLE_MS, signal }).catch((error: unknown) => {
      signal.throwIfAborted()
      this.#reasons.push(textOf(error))
    })
    if (work.failed > 0) this.#reasons.push(`${work.failed} tasks failed, for example ${work.problems.join('; ')}`)
  }

  async #compareHoldings(before: Awaited<ReturnType<typeof holdings>>): Promise<void> {
    const { signal } = this.#options
    const left = async () => leftOver(before, await holdings(this.#drillCluster))
    // RabbitMQ counts connections some seconds late.
    const none = async () => (await left()).join('; ') || undefined
    await waitFor('that all is given back', none, { timeoutMs: COUNTING_MS, signal, intervalMs: 2_000 }).catch(
      (error: unknown) => {
        signal.throwIfAborted()
        this.#reasons.push(textOf(error))
      },
    )
  }
}

const growth = ({ name, second, last, change }: Comparison): string =>
  Number.isFinite(change)
    ? `${SERIES[name].title}: ${valueText(name, last)} in the last quarter, ${valueText(name, second)} in the second (${(change * 100).toFixed(1)} % more)`
    : `${SERIES[name].title}: not sampled in both quarters`

const minutesText = (ms: number): string => `${(ms / MINUTE_MS).toFixed(1).padStart(6)} min`

function progress({ atMs, values }: Sample, work: SoakWork): string {
  const parts = SERIES_NAMES.flatMap((name) => {
    const value = values[name]
    return value === undefined ? [] : [`${name} ${Math.round(value)}`]
  })
  return `${minutesText(atMs)}  ${work.ended} tasks ended, ${work.pending} under way; ${parts.join(', ')}`
}

/** A run of several drills on one cluster, in order, each as often as asked. */
import { join } from 'node:path'
import { repositoryRoot } from '../cluster/index.js'
import { queueTypeOf } from './broker.js'
import type { Drill, Sabotage } from './drill.js'
import { DEFAULT_DIR, DrillCluster } from './drillCluster.js'
import type { LedgerCounts } from './ledger.js'
import { OwnCluster, type OwnClusterOptions } from './ownCluster.js'
import { type DrillOutcome, runDrill, skipped } from './run.js'
import type { Target } from './target.js'

export interface DrillsOptions {
  readonly drills: readonly Drill[]
  /** How often each is run. Default: once. */
  readonly repeat?: number
  /** Folder of the drills' own cluster. Default: `.warren-drill`. */
  readonly dir?: string
  /** A cluster to run on instead of one of the drills' own. */
  readonly ownCluster?: OwnClusterOptions
  /** Breaks something on purpose, to show that the drills can fail. */
  readonly sabotage?: Sabotage | undefined
  /** Tasks are sent in packs. */
  readonly packs?: boolean | undefined
  readonly signal: AbortSignal
  /** Progress, a line at a time. */
  readonly say: (line: string) => void
  /** Called once the cluster runs. */
  readonly onStart?: (about: { readonly rabbitmqVersion: string }) => void
  /** Called each second of a drill with what is accounted for so far. */
  readonly onLedger?: (counts: LedgerCounts) => void
  /** Called after each drill. */
  readonly onOutcome: (outcome: DrillOutcome) => void
}

/** Starts a cluster, runs the drills, stops everything. Throws the signal's reason when it was aborted. */
export async function runDrills(options: DrillsOptions): Promise<DrillOutcome[]> {
  const { drills, repeat = 1, sabotage, packs, signal, say, onStart, onLedger, onOutcome } = options
  const outcomes: DrillOutcome[] = []
  const earlier = { ids: new Set<string>() as ReadonlySet<string> }
  const grounds = new Grounds(options)
  try {
    for (let round = 1; round <= repeat; round++) {
      for (const drill of drills) {
        signal.throwIfAborted()
        const target = await grounds.for(drill)
        if (outcomes.length === 0) onStart?.({ rabbitmqVersion: await target.version() })
        say(`${drill.name}${repeat > 1 ? ` (${round} of ${repeat})` : ''}: ${drill.does}`)
        const obstacle = obstacleFor(drill, target)
        const outcome =
          obstacle === undefined
            ? await runDrill(drill, { target, signal, say, sabotage, packs, earlier, onLedger })
            : skipped(drill, obstacle)
        outcomes.push(outcome)
        onOutcome(outcome)
      }
    }
    return outcomes
  } finally {
    say('Stopping everything that it started')
    await grounds.close()
  }
}

/** The cluster that a drill is run on: one for all of them, but where a drill needs a store with a replica. One at a time. */
class Grounds {
  readonly #options: DrillsOptions
  #open: { readonly target: Target; readonly storeReplica: boolean } | undefined

  constructor(options: DrillsOptions) {
    this.#options = options
  }

  async for(drill: Drill): Promise<Target> {
    const { ownCluster, dir = DEFAULT_DIR } = this.#options
    const storeReplica = ownCluster === undefined && drill.needsStoreReplica === true
    if (this.#open?.storeReplica === storeReplica) return this.#open.target
    await this.close()
    const target =
      ownCluster === undefined
        ? await startDrillCluster(dir, storeReplica, this.#options)
        : await OwnCluster.open(ownCluster)
    this.#open = { target, storeReplica }
    return target
  }

  async close(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    await open?.target.close()
  }
}

async function startDrillCluster(
  dir: string,
  storeReplica: boolean,
  { sabotage, signal, say }: DrillsOptions,
): Promise<DrillCluster> {
  const earlyAck = [process.execPath, join(repositoryRoot(), 'dist', 'drills', 'sabotage', 'earlyAckWorker.js')]
  const drillCluster = await DrillCluster.open({
    ...{ dir, storeReplica },
    ...(sabotage === 'early-ack' ? { workerCommand: earlyAck } : {}),
  })
  // A start that is interrupted undoes itself; drills end by the signal.
  const interrupt = () => void drillCluster.close()
  signal.addEventListener('abort', interrupt, { once: true })
  try {
    const store = storeReplica ? 'the store with its replica and Sentinels' : 'the store'
    say(`Starting three nodes, HAProxy, ${store} and workers in ${drillCluster.cluster.dir}`)
    const started = Date.now()
    await drillCluster.cluster.start()
    say(`Ready after ${((Date.now() - started) / 1000).toFixed(1)} s`)
    return drillCluster
  } catch (error) {
    await drillCluster.close()
    throw error
  } finally {
    signal.removeEventListener('abort', interrupt)
  }
}

function obstacleFor(drill: Drill, target: Target): string | undefined {
  if (drill.needsClassic && queueTypeOf('user') !== 'classic') {
    return 'the user queue is a quorum queue here, so there is no classic one'
  }
  if (!drill.anywhere && !(target instanceof DrillCluster)) return 'it needs a cluster whose processes it can control'
  return undefined
}

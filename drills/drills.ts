/** A run of several drills on one cluster, in order, each as often as asked. */
import { join } from 'node:path'
import { repositoryRoot } from '../cluster/index.js'
import { queueTypeOf } from './broker.js'
import type { Drill, Sabotage } from './drill.js'
import { type DrillOutcome, runDrill, skipped } from './run.js'
import { DEFAULT_DIR, Stage } from './stage.js'

export interface DrillsOptions {
  readonly drills: readonly Drill[]
  /** How often each is run. Default: once. */
  readonly repeat?: number
  /** Folder of the cluster. Default: `.warren-drill`. */
  readonly dir?: string
  /** Breaks something on purpose, to show that the drills can fail. */
  readonly sabotage?: Sabotage | undefined
  readonly signal: AbortSignal
  /** Progress, a line at a time. */
  readonly say: (line: string) => void
  /** Called once the cluster runs. */
  readonly onStart?: (about: { readonly rabbitmqVersion: string }) => void
  /** Called after each drill. */
  readonly onOutcome: (outcome: DrillOutcome) => void
}

/** Starts the cluster, runs the drills, stops everything. Throws the signal's reason when it was aborted. */
export async function runDrills(options: DrillsOptions): Promise<DrillOutcome[]> {
  const { drills, repeat = 1, dir = DEFAULT_DIR, sabotage, signal, say, onStart, onOutcome } = options
  signal.throwIfAborted()
  const stage = await Stage.open({
    dir,
    ...(sabotage === 'early-ack'
      ? { workerCommand: [process.execPath, join(repositoryRoot(), 'dist', 'drills', 'sabotage', 'earlyAckWorker.js')] }
      : {}),
  })
  const outcomes: DrillOutcome[] = []
  // A start that is interrupted undoes itself; drills end by the signal.
  const interrupt = () => void stage.close()
  try {
    say(`Starting three nodes, HAProxy, the store and workers in ${stage.cluster.dir}`)
    const started = Date.now()
    signal.addEventListener('abort', interrupt, { once: true })
    await stage.cluster.start()
    signal.removeEventListener('abort', interrupt)
    say(`Ready after ${((Date.now() - started) / 1000).toFixed(1)} s`)
    onStart?.({ rabbitmqVersion: await stage.management.version() })
    for (let round = 1; round <= repeat; round++) {
      for (const drill of drills) {
        signal.throwIfAborted()
        say(`${drill.name}${repeat > 1 ? ` (${round} of ${repeat})` : ''}: ${drill.does}`)
        const outcome =
          drill.needsClassic && queueTypeOf('user') !== 'classic'
            ? skipped(drill, 'the user queue is a quorum queue here, so there is no classic one')
            : await runDrill(drill, { stage, signal, say, sabotage })
        outcomes.push(outcome)
        onOutcome(outcome)
      }
    }
    return outcomes
  } finally {
    signal.removeEventListener('abort', interrupt)
    say('Stopping what was started')
    await stage.close()
  }
}

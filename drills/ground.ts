/** Where a drill is run: the drills' own cluster (`stage.ts`), or one of somebody's own (`ownCluster.ts`). */
import type { ProcessChange } from '../cluster/index.js'
import type { LedgerLine } from '../demo/ledger.js'
import type { DeadLetter } from './broker.js'
import type { Stage } from './stage.js'
import type { QueueKey } from './timeline.js'

export interface Ground {
  /** Where the load is sent to, the user's name and password included. */
  readonly senderUrl: string
  readonly resultsUrl: string
  /** Process control, where there is any. */
  readonly stage: Stage | undefined
  version(): Promise<string>
  /** Brings it back to health, or waits until it is. */
  restore(signal: AbortSignal): Promise<void>
  /** From now on `listener` gets each line of the workers' ledgers. Gives what ends it. */
  followWorkers(listener: (line: LedgerLine) => void): () => void
  /** Reads what workers have written up to now. */
  readWorkers(): void
  /** Gives what ends it. */
  onProcess(listener: (change: ProcessChange) => void): () => void
  takeDeadLetters(mine: (id: string) => boolean, found: (letter: DeadLetter) => void): Promise<void>
  /** The queues that hold messages which wait to be delivered. */
  holding(): Promise<Set<QueueKey>>
  close(): Promise<void>
}

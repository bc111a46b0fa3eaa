/** Where a drill is run: the drills' own cluster (`drillCluster.ts`), or one given by address (`ownCluster.ts`). */
import type { ProcessChange } from '../cluster/index.js'
import type { LedgerLine } from '../demo/ledger.js'
import type { DeadLetter } from './broker.js'
import type { QueueKey } from './timeline.js'

export interface Target {
  /** Where the load is sent to, the user's name and password included. */
  readonly senderUrl: string
  readonly resultsUrl: string
  version(): Promise<string>
  /** Brings it back to health, or waits until it is healthy. */
  restore(signal: AbortSignal): Promise<void>
  /** From now on `listener` is called with each line of the workers' ledgers. Returns a function that ends it. */
  followWorkers(listener: (line: LedgerLine) => void): () => void
  /** Reads what workers have written up to now. */
  readWorkers(): void
  /** Returns a function that ends it. */
  onProcess(listener: (change: ProcessChange) => void): () => void
  takeDeadLetters(mine: (id: string) => boolean, found: (letter: DeadLetter) => void): Promise<void>
  /** The queues that hold messages which wait to be delivered. */
  holding(): Promise<Set<QueueKey>>
  close(): Promise<void>
}

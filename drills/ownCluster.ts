/**
 * A cluster of somebody's own, given by address. Nothing is done to its processes, its policies or to messages that are
 * not the drill's; the demo's tasks are worked on by a worker in this process, which declares their queues.
 */

import { connect, OptionsError, type Warren, type Worker } from 'warren'
import { addHandlers } from '../demo/handlers.js'
import type { LedgerLine } from '../demo/ledger.js'
import { SERVICE } from '../demo/tasks.js'
import { type DeadLetter, holdingQueues, serverVersion, takeDeadLetters } from './broker.js'
import type { Target } from './target.js'
import type { QueueKey } from './timeline.js'

const NAME = 'drill-worker'
const CONCURRENCY = 8

export interface OwnClusterOptions {
  /** With a user who may declare, publish to and read the demo's exchanges and queues. */
  readonly broker: readonly string[]
  readonly results: string
}

export class OwnCluster implements Target {
  readonly senderUrl: string
  readonly resultsUrl: string
  readonly #warren: Warren
  readonly #worker: Worker
  #listener: (line: LedgerLine) => void = () => {}

  static async open({ broker, results }: OwnClusterOptions): Promise<OwnCluster> {
    for (const url of broker) {
      // The drills' proxy looks at bytes, and a certificate is for another name than the proxy's.
      if (!url.startsWith('amqp://'))
        throw new OptionsError('drill', ['expected --broker to be amqp://user:password@host:port'])
    }
    const warren = await connect({ broker, results, name: NAME, logger: false })
    const worker = warren.worker({ service: SERVICE, concurrency: CONCURRENCY })
    const own = new OwnCluster(warren, worker, { broker, results })
    try {
      await worker.start()
    } catch (error) {
      await warren.close()
      throw error
    }
    return own
  }

  private constructor(warren: Warren, worker: Worker, { broker, results }: OwnClusterOptions) {
    this.senderUrl = broker[0] ?? ''
    this.resultsUrl = results
    this.#warren = warren
    this.#worker = worker
    addHandlers(worker, NAME)
    this.#record()
  }

  version(): Promise<string> {
    return serverVersion(this.senderUrl)
  }

  async restore(): Promise<void> {
    // Nothing was broken but the drill's own connections.
  }

  followWorkers(listener: (line: LedgerLine) => void): () => void {
    this.#listener = listener
    return () => {
      this.#listener = () => {}
    }
  }

  readWorkers(): void {}

  onProcess(): () => void {
    return () => {}
  }

  takeDeadLetters(mine: (id: string) => boolean, found: (letter: DeadLetter) => void): Promise<void> {
    return takeDeadLetters(this.senderUrl, mine, found)
  }

  holding(): Promise<Set<QueueKey>> {
    return holdingQueues(this.senderUrl)
  }

  async close(): Promise<void> {
    await this.#warren.close()
  }

  #record(): void {
    const line = (event: LedgerLine['event'], { id, task, number }: { id: string; task: string; number: number }) => ({
      ...{ event, id, task, attempt: number, worker: NAME, at: Date.now() },
    })
    this.#worker.on('attemptStarted', (event) => this.#listener(line('started', event)))
    this.#worker.on('attemptFinished', (event) =>
      this.#listener({ ...line('finished', event), outcome: event.outcome }),
    )
    this.#worker.on('attemptSettled', (event) =>
      this.#listener({ ...line('settled', event), outcome: event.outcome, settled: event.settled }),
    )
  }
}

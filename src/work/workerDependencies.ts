/** What a worker is made with, beside its options. */
import type { Connection } from '../amqp/connection.js'
import type { ControlWatch } from '../control/watch.js'
import type { Flows } from '../flow/flows.js'
import type { Results } from '../results/store.js'
import type { Producer } from '../send/producer.js'
import type { Logger } from '../task/logger.js'
import type { Clock } from '../time/clock.js'
import type { DelayRoutes } from '../time/delayRoutes.js'

/** What a worker needs of the connection it belongs to. */
export interface WorkerDependencies {
  readonly consuming: Connection
  readonly publishing: Connection
  /** Makes the producer for the worker's own messages: what is refused there closes no channel of the user's. */
  readonly makeProducer: () => Producer
  readonly delays: DelayRoutes
  readonly clock: Clock
  readonly results: Results | undefined
  /** What is cancelled and paused, where there is a store. */
  readonly control?: ControlWatch | undefined
  /** Cancels a task by its id, where there is a store. */
  readonly cancel?: ((id: string) => Promise<unknown>) | undefined
  /** What the ends of flows' members mean. */
  readonly flows?: Flows | undefined
  readonly confirmTimeoutMs: number
  readonly log: Logger
  /** Called when the worker is stopped, so that its connection can be closed. */
  readonly onStopped: () => Promise<void>
}

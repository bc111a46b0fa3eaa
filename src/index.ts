export type { AttemptContext, Handler, HandlerOf } from './attempt.js'
export type { DeadLetterFilter } from './deadLetterFilter.js'
export type { SweepProgress } from './deadLetterSweep.js'
export type {
  DeadLetters,
  DeadLettersOptions,
  ListOptions,
  PurgeOptions,
  RedriveOptions,
  RedriveProblem,
  RedriveSummary,
  SweepSummary,
} from './deadLetters.js'
export { DEATH_REASONS, type DeadLetter, type DeadLetterContent, type DeathReason } from './death.js'
export { definitions, passwordHash, type UserPlan } from './definitions.js'
export * from './errors.js'
export type {
  ConnectionRole,
  ConnectionState,
  ConsumerState,
  WarrenEvents,
  WorkerEvents,
  WorkerState,
} from './events.js'
export type { Handle, ResultOptions } from './handle.js'
export type { Isolation } from './isolate.js'
export type { IsolatedHandler } from './isolates.js'
export type { Logger } from './logging.js'
export { workerMetrics } from './metrics.js'
export {
  commandsExchange,
  deadLetterExchange,
  deadLetterQueue,
  domainOf,
  headers,
  resultKey,
  retryQueue,
  taskQueue,
} from './names.js'
export { checkOptions, defaults, didYouMean, is } from './options.js'
export type { DeadLetterReason, OutcomeKind } from './outcome.js'
export type { Destination, RedriveTarget } from './redrive.js'
export type { ResultStatus, StoredError, StoredResult } from './resultFormat.js'
export type { SendManyOptions, SendManySummary } from './sendMany.js'
export {
  defineTask,
  type RetryPolicy,
  type Task,
  type TaskInput,
  type TaskOptions,
  type TaskOutput,
} from './task.js'
export {
  type BindingPlan,
  DEAD_LETTER_DELIVERY_LIMIT,
  type ExchangePlan,
  type OperatorPlan,
  type PolicyPlan,
  planOperator,
  planService,
  type QueuePlan,
  type QueueType,
  type Retention,
  type ServicePlan,
} from './topology.js'
export { type ConnectOptions, connect, type SendOptions, type Warren } from './warren.js'
export type { Worker, WorkerHealth, WorkerOptions } from './worker.js'
export { type ServeOptions, serveWorker, type WorkerServer } from './workerServer.js'

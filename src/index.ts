export type { ConnectOptions } from './connectOptions.js'
export type {
  CancelKey,
  Cancellation,
  CancelOptions,
  CancelScope,
  PausedQueue,
  PauseQueueOptions,
  ScopeCancellation,
} from './control/control.js'
export type { LimitHolder, LimitInfo, LimitSettings, Limits, LimitTarget } from './control/limits.js'
export type { UniqueOptions } from './control/uniqueOptions.js'
export type {
  DeadLetters,
  DeadLettersOptions,
  ListOptions,
  PurgeOptions,
  RedriveOptions,
  RedriveProblem,
  RedriveSummary,
  SweepSummary,
} from './deadLetters/deadLetters.js'
export type { DeadLetterFilter } from './deadLetters/filter.js'
export type { Destination, RedriveTarget } from './deadLetters/redrive.js'
export type { SweepProgress } from './deadLetters/sweep.js'
export * from './errors/index.js'
export type { FlowEvent } from './flow/flowEvents.js'
export type {
  FlowHandle,
  FlowMember,
  FlowMemberState,
  FlowResultOptions,
  FlowStatus,
} from './flow/flowHandle.js'
export type { FlowRule, FlowState } from './flow/flowStore.js'
export type { FlowOptions, Flows } from './flow/flows.js'
export { type Graph, type GraphStepOptions, graph } from './flow/graph.js'
export { chain, type FlowPart, group, join, type StepOptions, step } from './flow/parts.js'
export type { Isolation } from './isolate/isolate.js'
export type { IsolatedHandler } from './isolate/isolatePool.js'
export type {
  ConnectionRole,
  ConnectionState,
  ConsumerState,
  TickEvent,
  WarrenEvents,
  WorkerEvents,
  WorkerState,
} from './observe/events.js'
export type { WorkerHealth } from './observe/health.js'
export { workerMetrics } from './observe/metrics.js'
export type { MetricsRegistry } from './observe/metricsRegistry.js'
export { producerMetrics, type Sending } from './observe/producerMetrics.js'
export { type ServeOptions, serveWorker, type WorkerServer } from './observe/workerServer.js'
export { checkOptions, defaults, didYouMean, is } from './options.js'
export type { StoreClient } from './results/connection.js'
export type { FeedEvent, FeedType } from './results/feed.js'
export type { History, HistoryPage, HistoryRange } from './results/history.js'
export type { HistoryOptions } from './results/historyOptions.js'
export type { HistoryQuery } from './results/historyQuery.js'
export { type StoreOptions, storeOptions } from './results/storeAddress.js'
export type {
  DoneEvent,
  FailedEvent,
  ProgressEvent,
  QueuedEvent,
  RetryEvent,
  StartedEvent,
  SucceededEvent,
  TaskEvent,
} from './results/taskEvent.js'
export type { TaskAttempt, TaskHistory } from './results/taskHistory.js'
export type { AllEvents, AllEventsOptions } from './send/allEvents.js'
export type { EventsOptions, Handle, ResultOptions, TaskEvents } from './send/handle.js'
export { type PreparedMessage, type PrepareOptions, prepare } from './send/prepared.js'
export type { PublishPreparedOptions, SendOptions } from './send/sender.js'
export type { SendManyOptions, SendManySummary } from './send/sendMany.js'
export { definitions, passwordHash, type UserPlan } from './task/definitions.js'
export type { AttemptContext, BatchContext, BatchHandler, BatchItem, Handler, HandlerOf } from './task/handler.js'
export type { CarriedByJson } from './task/json.js'
export type { OrderOptions, Priority, TaskOrder } from './task/lanes.js'
export type { LimitOptions, OnLimit, Rate, RateOptions, TaskLimit } from './task/limit.js'
export type { Logger } from './task/logger.js'
export type { OutcomeKind } from './task/outcome.js'
export type { PackOptions, TaskPack } from './task/pack.js'
export {
  defineTask,
  type RetryPolicy,
  type Task,
  type TaskInput,
  type TaskOptions,
  type TaskOutput,
} from './task/task.js'
export {
  type BindingPlan,
  DEAD_LETTER_DELIVERY_LIMIT,
  type ExchangePlan,
  joinPlans,
  type LinkPlan,
  type OperatorPlan,
  type PolicyPlan,
  planOperator,
  planService,
  type QueuePlan,
  type QueueType,
  type Retention,
  type ServicePlan,
} from './task/topology.js'
export type { CatchUp, Overlap, ScheduleOptions } from './time/definition.js'
export { planDelays } from './time/delayLevels.js'
export type { Schedule, UpsertedSchedule } from './time/schedule.js'
export type { Schedules } from './time/schedules.js'
export type { BackfillOptions, NextOptions, PauseOptions, SchedulesOptions } from './time/schedulesOptions.js'
export { connect, type Warren } from './warren.js'
export { DEATH_REASONS, type DeadLetter, type DeadLetterContent, type DeathReason } from './wire/deadLetter.js'
export type { DeadLetterReason } from './wire/deadLetterReason.js'
export type { HistoryEntry, HistoryState } from './wire/historyEntry.js'
export {
  commandsExchange,
  DELAY_UNROUTABLE,
  deadLetterExchange,
  deadLetterQueue,
  domainOf,
  headers,
  resultKey,
  taskQueue,
} from './wire/names.js'
export type { ResultStatus, StoredError, StoredResult } from './wire/resultFormat.js'
export type { UniqueUntil } from './wire/uniqueMark.js'
export type { BatchOptions } from './work/batcher.js'
export type { Worker } from './work/worker.js'
export type { WorkerOptions } from './work/workerOptions.js'

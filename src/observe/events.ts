/**
 * All events that Warren reports while it runs. The logger, the metrics and the console are listeners of these events and have
 * no other source. Durations are in milliseconds and end in `Ms`.
 */
import type { FlowFailure, FlowMemberName } from '../errors/index.js'
import type { OutcomeKind } from '../task/outcome.js'
import type { DeadLetterReason } from '../wire/deadLetterReason.js'

/** A worker consumes over one connection and publishes over another, so that a blocked one never stops the other. */
export type ConnectionRole = 'publish' | 'consume'
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'closing' | 'closed'
export type ConsumerState = 'idle' | 'opening' | 'consuming' | 'paused' | 'waiting' | 'draining' | 'stopped'
export type WorkerState = 'idle' | 'starting' | 'running' | 'draining' | 'stopped'

/** Emitted by what `connect()` returns. */
export interface WarrenEvents {
  /** The state of a connection changed. `address` is redacted; `epoch` counts the connections that were opened. */
  connectionState: [{ role: ConnectionRole; state: ConnectionState; address: string; epoch: number; reason?: string }]
  /** The broker stopped reading from publishers (memory or disk alarm). Sends wait; consuming continues. */
  blocked: [{ role: ConnectionRole; reason: string }]
  unblocked: [{ role: ConnectionRole; blockedMs: number }]
  /**
   * The broker confirmed a message. `latencyMs` counts from its first write. `tasks` says how many tasks it carries, where
   * it is a pack; its `id` is then the pack's.
   */
  confirmed: [{ id: string; exchange: string; routingKey: string; latencyMs: number; tasks?: number }]
  /** Unconfirmed messages are published again, under the same ids. */
  republished: [{ count: number; reason: string }]
  /** The result store went away or came back. */
  storeState: [{ state: 'available' | 'unavailable'; address: string; reason?: string }]
  /** Another server answers as the result store, and lacked results that this process had stored: they are there again. */
  resultsRestored: [{ count: number; address: string }]
  /** A flow was started here, of so many steps. */
  flowStarted: [{ flow: string; steps: number }]
  /**
   * A flow has ended, here: this process settled the step that ended it, watched over it, or cancelled it. One process
   * reports each flow, once. `reason` and `member` are why it did not succeed; `tookMs` counts from its start.
   */
  flowEnded: [
    {
      flow: string
      state: 'succeeded' | 'failed' | 'cancelled'
      reason?: FlowFailure
      member?: FlowMemberName
      tookMs: number
    },
  ]
}

interface AttemptRef {
  readonly id: string
  readonly task: string
  readonly queue: string
  /** 1 for the first attempt. */
  readonly number: number
}

/** Emitted by a worker. */
export interface WorkerEvents {
  workerState: [{ state: WorkerState; reason?: string }]
  /** The state of a queue's consumer changed. `reason` is why it waits. */
  consumerState: [{ queue: string; state: ConsumerState; reason?: string }]
  /** `waitedMs`: the time since it was sent, or due. Absent if unknown, and for a redelivered message. */
  attemptStarted: [AttemptRef & { redelivered: boolean; waitedMs?: number }]
  /** The handler has ended (or did not run at all: see `outcome`); nothing is settled yet. */
  attemptFinished: [AttemptRef & { outcome: OutcomeKind; durationMs: number; error?: unknown }]
  /** Result stored, retry or dead letter confirmed, message acknowledged. `lost`: its channel died first. */
  attemptSettled: [
    AttemptRef & { outcome: OutcomeKind; settled: 'acknowledged' | 'returned' | 'lost'; settleMs: number },
  ]
  deadLettered: [AttemptRef & { exchange: string; reason: DeadLetterReason; error: unknown }]
  /** Settling waits for the result store or the broker, and tries again; the message is held meanwhile. */
  settleDelayed: [AttemptRef & { waitingFor: 'store' | 'broker'; error: unknown }]
  /**
   * A task's limit delayed or dropped a message. `held`: it stays with the worker; `delayed`: it waits in the broker; both for
   * `waitMs`, if known. `dropped`: it does not run. `cancelledRunning`: a running task was cancelled for it. `by` is `store` if
   * the store is unavailable.
   */
  limited: [
    AttemptRef & {
      by: 'rate' | 'concurrency' | 'store'
      action: 'held' | 'delayed' | 'dropped' | 'cancelledRunning'
      key?: string
      waitMs?: number
    },
  ]
  /**
   * A pack arrived, and its `tasks` run like any others (`opened`). If a pack is redelivered, its `tasks` that have not ended
   * are published as single messages (`takenApart`), and so are the `tasks` of a pack that could not start soon
   * (`givenBack`). `id` is the pack's.
   */
  pack: [{ id: string; task: string; queue: string; action: 'opened' | 'takenApart' | 'givenBack'; tasks: number }]
  /**
   * A schedule of the worker's service ticked, and this worker processed it. `waiting`: until the previous tick's
   * task has ended. `skipped`: for `reason`, `paused`, `overlap` or `missed`. `failed`: its task cannot be published.
   * `id` is the task's, when it was sent. `lateMs` counts from when it was due.
   */
  tick: [
    {
      service: string
      schedule: string
      tick: Date
      action: 'sent' | 'waiting' | 'skipped' | 'failed'
      id?: string
      reason?: string
      lateMs: number
    },
  ]
}

export type TickEvent = WorkerEvents['tick'][0]
export type PackEvent = WorkerEvents['pack'][0]

/**
 * What a drill is: steady load, a fault, a repair, and a promise that a ledger can show to be broken. A drill's file
 * says what it does to the cluster and what more than the common promises must hold; everything else is in `run.ts`.
 */

import type { DrillCluster } from './drillCluster.js'
import type { Ledger, LedgerCounts } from './ledger.js'
import type { Load, LoadPlan } from './load.js'
import type { TcpProxy } from './tcpProxy.js'
import type { MarkKind, QueueKey, Timeline } from './timeline.js'

/** What a drill's fault may do and see. */
export interface Scene {
  readonly drillCluster: DrillCluster
  readonly load: Load
  readonly ledger: Ledger
  readonly timeline: Timeline
  readonly signal: AbortSignal
  /** Between the producer and HAProxy, when the drill asks for one. */
  readonly proxy: TcpProxy | undefined
  /** Which part of the drill is sabotaged, if any: a fault may have to choose its policy by it. */
  readonly sabotage: Sabotage | undefined
  /** Says what was done, on the timeline and on the screen. The last `repair` is what recovery is counted from. */
  mark(kind: MarkKind, text: string): void
  /** Lets the fault last: it is part of the drill, not a wait for something. */
  hold(ms: number): Promise<void>
  /** Waits for a fact; the drill fails with its name when it does not come true. */
  until(what: string, fact: () => Promise<string | undefined> | string | undefined, timeoutMs: number): Promise<void>
  /** Takes this drill's dead letters out of their queues and into the ledger. */
  takeDeadLetters(): Promise<void>
  /** Numbers that the drill takes by itself, for its own checks. */
  readonly numbers: Map<string, number>
  /** Undone when the drill is over, whatever becomes of it. */
  defer(step: () => unknown): void
  /** Names of processes that the drill itself ends, so that their end is no surprise. */
  expectEnd(...names: readonly string[]): void
}

/** Everything that is known when the drill is over. */
export interface Evidence {
  readonly counts: LedgerCounts
  readonly ledger: Ledger
  readonly timeline: Timeline
  readonly plan: LoadPlan
  /** The load's first and last instant. */
  readonly from: number
  readonly to: number
  readonly numbers: ReadonlyMap<string, number>
  readonly faultAt: number | undefined
  readonly repairAt: number | undefined
}

export interface Drill {
  readonly name: string
  /** One sentence: what is done. */
  readonly does: string
  /** One sentence: what must hold, beside that nothing confirmed is lost. */
  readonly holds: string
  readonly load?: Partial<LoadPlan>
  /** The producer's connection goes through a proxy that the fault controls. */
  readonly throughProxy?: true
  /** Seconds of the producer's heartbeat, where the library's default would make the drill long. */
  readonly heartbeatSeconds?: number
  /**
   * Whether dead letters are an ending that the drill allows. `expired`: those of the classic queue that passed their minute while
   * its node was away. Default: none are.
   */
  readonly deadLetters?: 'allowed' | 'expired'
  /** How long it may take from the repair until all rates are normal. Default 30,000. Null: not looked at. */
  readonly recoverWithinMs?: number | null
  /** The classic queue is needed: with quorum queues only, the drill has nothing to show. */
  readonly needsClassic?: true
  /** Needs a result store with a replica and Sentinels: it is run on a cluster that has them. */
  readonly needsStoreReplica?: true
  /** Needs no process control: also for a cluster given by URL. */
  readonly anywhere?: true
  /** Before the load: puts parts where the drill wants them. */
  prepare?(scene: Scene): Promise<void>
  fault(scene: Scene): Promise<void>
  /** More than the common promises. Returns a sentence for each one that is broken. */
  check?(evidence: Evidence): string[]
  /** What is worth telling in numbers, whether or not it holds. */
  tell?(evidence: Evidence): string[]
}

/** Ways to break a drill on purpose, to show that it can fail. */
export const SABOTAGES = ['early-ack', 'no-confirms', 'at-most-once'] as const
export type Sabotage = (typeof SABOTAGES)[number]

export class SkippedError extends Error {
  override readonly name = 'SkippedError'
}

/** The longest time without a finished task (or confirm) on one queue while the load ran. */
export const pauseOf = ({ timeline, from, to }: Evidence, flow: 'confirmed' | 'finished', queue: QueueKey): number =>
  timeline.longestPause(flow, queue, from, to).ms

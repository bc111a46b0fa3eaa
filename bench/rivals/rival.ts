/**
 * What is measured beside what. A rival is a client program, which sends and waits for results, and a worker program,
 * each a process of its own as in real life; `program.ts` runs those that are written for Node, `celery/*.py` are Celery's.
 */
import type { QueueType } from 'warren'
import type { ServerName } from '../servers.js'

/** What a client and its workers are told. */
export interface Setup {
  readonly broker: string
  readonly results: string
  /** The address of the server that the rival needs beside these. */
  readonly server?: string
  /** One for each queue: the routing key, and with `SERVICE` the queue's name. */
  readonly tasks: readonly string[]
  readonly queueType: QueueType
  /** `short`: tuned for tasks that take no time. `long`: one task at a time in each worker, and none taken from others. */
  readonly tasksAre: 'short' | 'long'
  /** How often a worker says how many tasks it has begun, in milliseconds. Left out, it does not. */
  readonly reportEveryMs?: number
}

/** What a client is asked to send. */
export interface Load {
  readonly count: number
  /** Of the text that each task carries. */
  readonly bytes: number
  /** How long each task takes. */
  readonly ms: number
}

export interface BenchClient {
  /** Sends so many tasks; resolves when all are confirmed by the broker. */
  publish(load: Load): Promise<void>
  /** Sends so many tasks; resolves when the results of all are in. */
  roundTrip(load: Load): Promise<void>
  /** One task, from sending to its result. */
  call(load: Load): Promise<void>
  close(): Promise<void>
}

export interface BenchWorker {
  close(): Promise<void>
}

/** A rival that is written for Node. */
export interface NodeRival {
  client(setup: Setup): Promise<BenchClient>
  /** Resolves when it takes tasks. Calls `began` for each task that it begins. */
  worker(setup: Setup, began: () => void): Promise<BenchWorker>
}

export type Part = 'client' | 'worker'

export interface Rival {
  readonly name: string
  /** Shown beside its figures: what it is, how it is tuned, and what it promises less or more than others. */
  readonly configuration: string
  /** How many copies a task has, and whether it is on disk, before its sender is told that it is taken. */
  readonly durability: string
  /** What it needs beside the brokers and the store. */
  readonly server?: ServerName
  /** Its workers store results. */
  readonly hasResults: boolean
  command(part: Part): readonly string[]
}

/** The consumer application of the benchmark: the last part of its queues' names. */
export const SERVICE = 'bench'
export const DOMAIN = 'bench'

/** How a worker waits in the place of real work. */
export const pause = (ms: number): Promise<void> | undefined =>
  ms === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, ms))

export const textOfBytes = (bytes: number): string => 'x'.repeat(bytes)

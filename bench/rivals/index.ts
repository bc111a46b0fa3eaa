/** All rivals, and how each is run. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repositoryRoot } from '../../cluster/index.js'
import type { Part, Rival } from './rival.js'

const PROGRAM = fileURLToPath(new URL('../program.js', import.meta.url))

/** A quorum queue: what a majority has on its disk. RabbitMQ 3.10 syncs its log before it confirms. */
const QUORUM = '2 of 3 copies, synced to disk'
const UNCONFIRMED = 'the sender is not told; then 2 of 3 copies, synced to disk'
const ONE_SYNCED = '1 copy, synced to disk'
const ONE_LATER = '1 copy, on disk within a second'

const node = (name: string, hasResults: boolean, configuration: string, more: Partial<Rival> = {}): Rival => ({
  name,
  configuration,
  durability: QUORUM,
  hasResults,
  ...more,
  command: (part: Part) => [process.execPath, PROGRAM, name, part],
})

/** The name of another build of Warren. */
export const BESIDE = 'warren-beside'

/** Warren as another clone has built it: what a change brings is measured in the same rounds. */
export const besideAt = (root: string): Rival => ({
  ...rivals.warren,
  name: BESIDE,
  configuration: 'another build of Warren',
  command: (part: Part) => [process.execPath, join(root, 'dist', 'bench', 'program.js'), 'warren', part],
})

const celery = (name: string, variant: string, configuration: string, durability = QUORUM): Rival => ({
  name,
  configuration,
  durability,
  hasResults: true,
  command: (part: Part) => [
    '/usr/bin/python3',
    join(repositoryRoot(), 'bench', 'rivals', 'celery', `${part}.py`),
    variant,
  ],
})

export const rivals = {
  warren: node('warren', true, 'all options at their defaults'),
  warrenWithoutHistory: node('warren-no-history', true, 'all options at their defaults, but for `history: false`'),
  warrenPacks: node('warren-packs', true, 'all options at their defaults, and pack: {} for the task'),
  bare: node(
    'bare',
    true,
    'amqplib alone: confirms pipelined in a window of 1,000; prefetch 200; one result for each message, stored with a TTL and announced, pipelined; each message acknowledged after its result',
  ),
  bareWithoutResults: node('bare-no-results', false, 'the same without results'),
  bareCeleryWire: node(
    'bare-celery-wire',
    false,
    "amqplib alone, with the same bytes, properties and headers in each message as Warren: Celery's protocol",
  ),
  bullmq: node(
    'bullmq',
    true,
    'jobs added 1,000 at a time; concurrency 100 (1 where tasks take time); one copy in memory, on disk once a second',
    { durability: ONE_LATER },
  ),
  bullmqSynced: node('bullmq-synced', true, 'the same on a store of its own with appendfsync always', {
    durability: ONE_SYNCED,
    server: 'syncedStore',
  }),
  graphileWorker: node(
    'graphile-worker',
    true,
    'on PostgreSQL with synchronous_commit on; jobs added 1,000 at a time; concurrency 24 (1 where tasks take time); each result a row and a notification',
    { durability: ONE_SYNCED, server: 'postgres' },
  ),
  graphileWorkerBatched: node(
    'graphile-worker-batched',
    true,
    'the same with a local queue of 500 jobs, and jobs completed together',
    { durability: ONE_SYNCED, server: 'postgres' },
  ),
  pgBoss: node(
    'pg-boss',
    true,
    'on the same PostgreSQL; jobs added 1,000 at a time and taken 100 at a time, woken by notifications and at once while batches are full; the results of a batch are one statement',
    { durability: ONE_SYNCED, server: 'postgres' },
  ),
  celery: celery(
    'celery',
    'tuned',
    'tuned for short tasks: no confirms, acknowledged on arrival, prefetch 128, solo pool, no events',
    UNCONFIRMED,
  ),
  celeryPrefork: celery(
    'celery-prefork',
    'tuned-prefork',
    'tuned in the same way, but for the pool: one prefork child',
    UNCONFIRMED,
  ),
  celeryThreadPool: celery(
    'celery-thread-pool',
    'tuned-threads',
    'tuned in the same way, but for the pool: four threads',
    UNCONFIRMED,
  ),
  celeryReference: celery(
    'celery-reference',
    'reference',
    'as in the reference: each publish waits for its confirm, acknowledged after the task, prefetch 4, one prefork child',
  ),
  celeryThreads: celery('celery-threads', 'threads', 'publishes with confirms from 8 threads, a connection each'),
} as const satisfies Record<string, Rival>

/** By the name of a rival; empty for one that takes part no more. */
export const durabilityOf = (name: string): string =>
  Object.values<Rival>(rivals).find((rival) => rival.name === name)?.durability ?? ''

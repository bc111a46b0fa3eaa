/**
 * Starts the one real cluster and store that all promises are tested on, and stops it at the end. Nobody waits for it
 * here: what needs no cluster is tested meanwhile, and `started.ts` waits in every file that does need it.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { Cluster, freePortBlock } from '../../cluster/index.js'
import { textOf } from '../../src/index.js'
import type { TestCluster } from './cluster.js'

declare module 'vitest' {
  // How vitest types what a global setup hands to the tests.
  interface ProvidedContext {
    cluster: TestCluster
  }
}

/** Two runs beside each other in one checkout need a folder each. */
const DIR = process.env.WARREN_TEST_DIR || '.warren-test'
const LEDGER = join(process.cwd(), DIR, 'ledger')

/** Written when the cluster is ready, empty, or when it could not be started, with the reason. */
const STARTED = join(process.cwd(), DIR, 'started-for-tests')

interface Shared {
  readonly cluster: Cluster
  /** Never rejects. */
  readonly started: Promise<void>
  users: number
}

/** The projects on the shared cluster are each set up by themselves. */
const shared = globalThis as { warrenTestCluster?: Promise<Shared> }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.warrenTestCluster ??= begin()
  const own = await shared.warrenTestCluster
  own.users++
  const { amqp, nodes, results, management, edge } = own.cluster.addresses
  const portOf = (url: string | undefined) => Number(new URL(url ?? '').port)
  project.provide('cluster', {
    ...{ dir: own.cluster.dir, started: STARTED, ledgerFolder: LEDGER, edge, results, management: management.nodes },
    ...{ amqpPort: portOf(amqp[0]), nodePorts: nodes.map(portOf), storePort: portOf(results) },
  })
  return async () => {
    if (--own.users > 0) return
    delete shared.warrenTestCluster
    await own.cluster.stop()
    await own.started
  }
}

async function begin(): Promise<Shared> {
  rmSync(DIR, { recursive: true, force: true })
  mkdirSync(DIR, { recursive: true, mode: 0o700 })
  const { base, amqp, edge } = await freePortBlock()
  const cluster = new Cluster({
    ...{ dir: DIR, workers: 0, portBase: base, amqpPort: amqp, edgePort: edge, prometheus: false },
    env: { ...process.env, WARREN_LEDGER_DIR: LEDGER },
  })
  const started = cluster.start().then(
    () => writeFileSync(STARTED, ''),
    (problem: unknown) => writeFileSync(STARTED, textOf(problem)),
  )
  return { cluster, started, users: 0 }
}

/** Starts the one real cluster and store that all promises are tested on, and stops it at the end. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { Cluster, freePortBlock } from '../../cluster/index.js'
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

/** `promises` and `console` are set up each by itself, and share one cluster. */
const shared = globalThis as { warrenTestCluster?: { readonly started: Promise<Cluster>; users: number } }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.warrenTestCluster ??= { started: start(), users: 0 }
  const { started } = shared.warrenTestCluster
  shared.warrenTestCluster.users++
  const cluster = await started
  const { amqp, nodes, results, management, edge } = cluster.addresses
  const portOf = (url: string | undefined) => Number(new URL(url ?? '').port)
  project.provide('cluster', {
    ...{ dir: cluster.dir, ledgerFolder: LEDGER, edge, results, management: management.nodes },
    ...{ amqpPort: portOf(amqp[0]), nodePorts: nodes.map(portOf), storePort: portOf(results) },
  })
  return async () => {
    if (shared.warrenTestCluster === undefined || --shared.warrenTestCluster.users > 0) return
    delete shared.warrenTestCluster
    await cluster.stop()
  }
}

async function start(): Promise<Cluster> {
  rmSync(DIR, { recursive: true, force: true })
  const { base, amqp, edge } = await freePortBlock()
  const cluster = new Cluster({
    ...{ dir: DIR, workers: 0, portBase: base, amqpPort: amqp, edgePort: edge, prometheus: false },
    env: { ...process.env, WARREN_LEDGER_DIR: LEDGER },
  })
  await cluster.start()
  return cluster
}

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

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  rmSync(DIR, { recursive: true, force: true })
  const { base, amqp, edge } = await freePortBlock()
  const ledgerFolder = join(process.cwd(), DIR, 'ledger')
  const cluster = new Cluster({
    dir: DIR,
    workers: 0,
    portBase: base,
    amqpPort: amqp,
    edgePort: edge,
    env: { ...process.env, WARREN_LEDGER_DIR: ledgerFolder },
    prometheus: false,
  })
  await cluster.start()
  const { nodes, results, management, edge: edgeUrl } = cluster.addresses
  project.provide('cluster', {
    dir: cluster.dir,
    ledgerFolder,
    amqpPort: amqp,
    nodePorts: nodes.map((url) => Number(new URL(url).port)),
    results,
    management: management.nodes,
    edge: edgeUrl,
    storePort: Number(new URL(results).port),
  })
  return () => cluster.stop()
}

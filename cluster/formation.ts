/** How three RabbitMQ nodes become one cluster with the operator's topology in it. Everything waits on polled facts. */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import type { Binaries } from './binaries.js'
import { versionNote } from './dataVersion.js'
import { erlangNode, runTool } from './erlang.js'
import { allServersUp } from './haproxy.js'
import type { Management } from './management.js'
import { NODE_NUMBERS } from './ports.js'
import { nodeName } from './rabbitmqNode.js'
import { waitFor } from './readiness.js'
import type { Settings } from './settings.js'

const FORMED_TIMEOUT_MS = 90_000

export interface Formation {
  readonly settings: Settings
  readonly binaries: Binaries
  readonly management: Management
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** A first start that was interrupted may leave a node as a cluster of its own, which could never join another. */
export function dropUnformedData({ folder }: Settings): void {
  if (existsSync(folder.formedMark)) return
  for (const node of NODE_NUMBERS) rmSync(folder.of(nodeName(node), 'data'), { recursive: true, force: true })
}

/** Resolves once the nodes are one, have their definitions, and HAProxy uses all of them. */
export async function form(formation: Formation): Promise<void> {
  const { settings, binaries, management, signal } = formation
  const wait = { timeoutMs: FORMED_TIMEOUT_MS, signal }
  await waitFor('three nodes as one cluster', (each) => management.formed(each), wait)
  await management.loadDefinitions(signal)
  await fillQueues(formation)
  await waitFor('three nodes behind HAProxy', (each) => allServersUp(settings, each), wait)
  writeFileSync(settings.folder.formedMark, `${new Date().toISOString()} ${versionNote(binaries.rabbitmqVersion)}\n`)
}

/** A queue that was declared while a node was away has no member there, and RabbitMQ adds none by itself. */
async function fillQueues({ settings, binaries, management, say, signal }: Formation): Promise<void> {
  const full = async (each: AbortSignal) => {
    const thin = await management.thinQueues(each)
    return thin.length === 0 ? undefined : `fewer than three members: ${thin.join(', ')}`
  }
  const what = 'predefined queues with three members'
  await waitFor(what, full, { timeoutMs: 10_000, signal }).catch(async () => {
    signal.throwIfAborted()
    for (const node of NODE_NUMBERS) {
      say(`rabbitmq-${node}: adding members of predefined queues`)
      await runTool(settings, binaries, 'rabbitmq-queues', 1, ['grow', erlangNode(node), 'all'])
    }
    await waitFor(what, full, { timeoutMs: 30_000, signal })
  })
}

/** The promise: a producer whose node led the queue goes on with the new leader, whenever that one is elected. */
import { setInterval as every } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { waitFor } from '../../cluster/index.js'
import { connect, type Handle, taskQueue, textOf } from '../../src/index.js'
import { Warren } from '../../src/warren.js'
import { behave, behaveTask } from '../support/behave.js'
import {
  consuming,
  fault,
  keptByDeadNode,
  manage,
  repair,
  testCluster,
  until,
  virtualHost,
} from '../support/cluster.js'

const SERVICE = 'election'
const task = behaveTask('payment.election.task')

it('a producer connected to the leader that is killed is confirmed again while that node is away', async () => {
  const urls = await virtualHost(SERVICE, [task])
  {
    await using declaring = await connect({ broker: urls.broker, logger: false })
    await consuming(declaring.worker({ service: SERVICE }).handle(task, behave([])))
  }
  const node = await leaderOf(urls.vhost, task.name)
  const port = testCluster().nodePorts[Number(node.slice(-1)) - 1]
  await using warren = await connectedTo(urls.nodes, port)

  const confirmedAt: number[] = []
  let refused: string | undefined
  const more = (what: string, count: number, since: number, timeoutMs: number): Promise<void> =>
    waitFor(
      what,
      async () => (confirmedAt.filter((at) => at > since).length > count ? undefined : (refused ?? 'none was refused')),
      { timeoutMs },
    )
  const stop = new AbortController()
  const sending = (async () => {
    for await (const _ of every(20, undefined, { signal: stop.signal })) {
      warren.send(task, { does: ['return'] }).then(
        () => confirmedAt.push(Date.now()),
        (error: unknown) => {
          refused = textOf(error)
        },
      )
    }
  })().catch(() => undefined)
  try {
    await more('confirms', 20, 0, 30_000)
    await fault.kill(node)
    const killedAt = Date.now()
    // Fifty a second come in; a full second's worth shows that they go through again.
    await more('confirms from the new leader', 50, killedAt, 30_000)
  } finally {
    stop.abort()
    await sending
    await repair()
  }
}, 90_000)

it('the leader of a young queue is killed while its consumers ask for more: tasks run while that node is away, and all once it is back', async () => {
  const young = behaveTask('payment.election.young')
  const urls = await virtualHost(SERVICE, [young])
  const ran = new Set<string>()
  const at = (first: number) => [...urls.nodes.slice(first), ...urls.nodes.slice(0, first)]
  const connections = await Promise.all(
    urls.nodes.map((_, index) => connect({ broker: at(index), results: urls.results, logger: false })),
  )
  try {
    // One worker at each node, so that the node that dies has consumers that just changed their prefetch.
    for (const each of connections) {
      const worker = each.worker({ service: SERVICE, concurrency: 2 })
      await consuming(
        worker.handle(young, (_input, { id, number }) => {
          ran.add(id)
          return { number }
        }),
      )
    }
    const node = await leaderOf(urls.vhost, young.name)
    await using warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
    const handles: Handle<unknown>[] = []
    let killed: Promise<unknown> | undefined
    try {
      const input = { does: ['return' as const] }
      await warren.sendMany(
        young,
        Array.from({ length: 3000 }, () => input),
        {
          onSent: (handle) => {
            if (handles.push(handle) === 800) killed = fault.kill(node)
          },
        },
      )
      await killed
      const kept = await keptByDeadNode()
      await until('all that the dead node does not keep', () => ran.size >= 3000 - kept, 50_000)
      await repair()
      expect(await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 50_000 })))).toHaveLength(3000)
      expect(handles.filter(({ id }) => !ran.has(id))).toEqual([])
    } finally {
      await killed
      await repair()
    }
  } finally {
    await Promise.all(connections.map((each) => each.close()))
  }
}, 200_000)

async function leaderOf(vhost: string, task: string): Promise<string> {
  const { leader } = await manage<{ leader: string }>('GET', `/queues/${vhost}/${taskQueue(task, SERVICE)}`)
  return leader.replace(/@.*$/, '')
}

/** A producer starts at any of its addresses: tried until it is the one with `port`. */
async function connectedTo(nodes: readonly string[], port: number | undefined): Promise<Warren> {
  for (;;) {
    const warren = new Warren({ broker: nodes, logger: false })
    let address = ''
    warren.on('connectionState', (event) => {
      address = event.address
    })
    await warren.open()
    if (address.includes(`:${port}`)) return warren
    await warren.close()
  }
}

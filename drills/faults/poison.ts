/** Poison: a message that kills every worker process it meets. Without a limit it would go round for ever. */
import type { Drill } from '../drill.js'
import { DELIVERY_LIMIT, WORKERS } from '../drillCluster.js'
import { QUEUE_KEYS, type QueueKey } from '../timeline.js'

const TIMEOUT_MS = 90_000

export const poison: Drill = {
  name: 'poison',
  does: `Sends one message to each queue that kills every worker that runs it, with a limit of ${DELIVERY_LIMIT} deliveries.`,
  holds: 'Both are dead-lettered at their limit, and other messages succeed.',
  deadLetters: 'allowed',
  // Workers die again and again, and the launcher waits longer each time before it starts one.
  recoverWithinMs: 60_000,
  async prepare({ drillCluster }) {
    await drillCluster.overridePolicy('payment', { 'delivery-limit': DELIVERY_LIMIT })
  },
  async fault({ drillCluster, load, ledger, mark, until, expectEnd, takeDeadLetters }) {
    expectEnd(...Array.from({ length: WORKERS }, (_, index) => `worker-${index + 1}`))
    for (const queue of QUEUE_KEYS) {
      const id = await load.one(queue, { fault: 'exit' })
      mark('fault', `Sent a message to the ${queue} queue that kills every worker that runs it`)
      await until(
        `the poison of the ${queue} queue in its dead-letter queue`,
        async () => {
          await takeDeadLetters()
          return ledger.reasonOf(id) === undefined ? `it was begun ${ledger.runsOf(id)} times` : undefined
        },
        TIMEOUT_MS,
      )
      mark('seen', `It was dead-lettered (${ledger.reasonOf(id)}) after it was begun ${ledger.runsOf(id)} times`)
      ledger.note(id, queue)
    }
    await drillCluster.cluster.scale(WORKERS)
    mark('repair', 'All workers are back')
  },
  check({ counts, ledger }) {
    const reasons: string[] = []
    for (const [id, queue] of ledger.noted()) {
      const runs = ledger.runsOf(id)
      // RabbitMQ counts returns, Warren counts deliveries: one more than the limit is the same limit.
      if (runs > DELIVERY_LIMIT + 1) reasons.push(`the poison of the ${queue} queue was begun ${runs} times`)
    }
    const others = counts.deadLettered - 2
    if (others > 0) reasons.push(`${others} other messages were dead-lettered too`)
    return reasons
  },
  tell: ({ ledger }) =>
    ledger
      .noted()
      .map(
        ([id, queue]: readonly [string, QueueKey]) =>
          `The poison of the ${queue} queue killed ${ledger.runsOf(id)} workers.`,
      ),
}

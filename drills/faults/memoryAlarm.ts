/** A memory alarm: RabbitMQ stops reading from publishers on every node, and consumers go on. */
import { type Drill, pauseOf } from '../drill.js'
import { seconds } from '../verdict.js'

const HOLD_MS = 6_000
/** What `config/rabbitmq/rabbitmq.conf` says. */
const NORMAL = '0.2'

export const memoryAlarm: Drill = {
  name: 'memory-alarm',
  does: 'Raises a memory alarm on one node for some seconds, so that RabbitMQ stops reading from publishers.',
  holds:
    'Sends wait and none fails; workers finish the messages in the queues; everything continues when the alarm is over.',
  async fault({ drillCluster: { cluster }, mark, hold }) {
    mark('fault', 'Lowering the memory limit of rabbitmq-1 below what it uses')
    await cluster.rabbitmqctl(1, ['set_vm_memory_high_watermark', '0.001'])
    try {
      await hold(HOLD_MS)
    } finally {
      await cluster.rabbitmqctl(1, ['set_vm_memory_high_watermark', NORMAL])
    }
    mark('repair', 'The memory limit is back to normal')
  },
  check: (evidence) => {
    const reasons: string[] = []
    const refused = Object.entries(evidence.counts.refused)
    for (const [code, count] of refused) reasons.push(`${count} sends failed with ${code} instead of waiting`)
    if (pauseOf(evidence, 'confirmed', 'payment') < HOLD_MS / 2) {
      reasons.push('publishers were not blocked, so the drill shows nothing')
    }
    return reasons
  },
  tell: (evidence) => [`Publishers waited for ${seconds(pauseOf(evidence, 'confirmed', 'payment'))}.`],
}

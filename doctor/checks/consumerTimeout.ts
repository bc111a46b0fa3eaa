/** Whether tasks may run longer than RabbitMQ waits for their acknowledgement. */
import { check } from '../check.js'
import { exactly, word } from '../fixes.js'
import { retentionOf } from '../retention.js'
import { atLeast } from '../version.js'
import { warrens } from '../warrens.js'

/** RabbitMQ's default `consumer_timeout`. Its HTTP API does not report whether it was changed. */
const DEFAULT_MS = 1_800_000

export const consumerTimeout = check(
  'consumer-timeout',
  "tasks' time limits are shorter than the consumer timeout of their queue",
  ['topology', 'tasks'],
  ({ topology, tasks }, { consumerTimeoutMs, vhost }) =>
    warrens(topology, tasks).tasks.flatMap((queue) => {
      const limit = tasks.tasks.find(({ name }) => name === queue.task)?.timeoutMs
      // On 4.3 classic queues never time out.
      if (limit === undefined || (queue.type === 'classic' && atLeast(topology.version, 4, 3))) return []
      const own = retentionOf(queue).consumerTimeoutMs
      const timeout = own ?? consumerTimeoutMs ?? DEFAULT_MS
      if (limit < timeout) return []
      const assumed = own === undefined && consumerTimeoutMs === undefined
      const raised = limit + 600_000
      return [
        {
          severity: 'hurts',
          finding: `${queue.task} may run for ${seconds(limit)}, and RabbitMQ takes a message of ${queue.name} back after ${seconds(timeout)}${assumed ? ' (its default; its API does not report whether consumer_timeout is set: pass --consumer-timeout)' : ''}.`,
          why: atLeast(topology.version, 4, 3)
            ? 'The task runs again while the first run continues, up to the delivery limit.'
            : 'RabbitMQ closes the channel with all its messages; the task runs again, up to the delivery limit, and is then dead-lettered.',
          fix: atLeast(topology.version, 3, 12)
            ? `Add "consumer-timeout": ${raised} to the policy of ${exactly(queue.name)} (rabbitmqctl list_policies -p ${word(vhost)} shows it), or shorten the task's timeoutMs.`
            : `consumer_timeout = ${raised} in rabbitmq.conf and a restart of the nodes, or a shorter timeoutMs of the task.`,
        },
      ]
    }),
)

const seconds = (ms: number): string =>
  ms >= 120_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 1_000)} s`

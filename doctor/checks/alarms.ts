/** Whether a node has run out of memory or disk. */
import { check, type Found } from '../check.js'

export const alarms = check('alarms', 'no node has a memory or disk alarm', ['cluster'], ({ cluster }) =>
  cluster.nodes.flatMap(({ name, memoryAlarm, diskAlarm }): Found[] => [
    ...(memoryAlarm
      ? [
          blocked(
            name,
            'memory',
            `rabbitmq-diagnostics -n ${name} memory_breakdown shows what uses it; add workers, or raise vm_memory_high_watermark.`,
          ),
        ]
      : []),
    ...(diskAlarm ? [blocked(name, 'disk space', `Free disk space on ${name}, or enlarge its volume.`)] : []),
  ]),
)

const blocked = (node: string, resource: string, fix: string): Found => ({
  severity: 'hurts',
  finding: `${node} is short of ${resource}.`,
  why: 'RabbitMQ accepts no messages on any node until this is resolved: sends wait, and reject at their deadline.',
  fix,
})

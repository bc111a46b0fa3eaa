/** Whether the queues of the given tasks exist with the right type. */
import { taskQueue } from 'warren'
import { check, type Found } from '../check.js'

export const queueTypes = check(
  'queue-types',
  'the queues of the given tasks exist, with the type that the tasks ask for',
  ['topology', 'tasks'],
  ({ topology, tasks: { tasks, service } }) =>
    service === undefined
      ? []
      : tasks.flatMap(({ name, queueType }): Found[] => {
          const queue = topology.queues.find((each) => each.name === taskQueue(name, service))
          if (queue === undefined) {
            return [
              {
                severity: 'hurts',
                finding: `The queue ${taskQueue(name, service)} does not exist.`,
                why: 'send() rejects with UNROUTABLE until its service has started once.',
                fix: `Start a worker of ${service}, which declares it.`,
              },
            ]
          }
          if (queue.type === queueType) return []
          return [
            {
              severity: 'hurts',
              finding: `${queue.name} is a ${queue.type} queue, and its task asks for a ${queueType} queue.`,
              why: "Its workers do not start, because a queue's type cannot be changed.",
              fix: `Set queue.type back to ${queue.type}, or drain the queue and delete it: docs/guide/topology.md lists the steps.`,
            },
          ]
        }),
)

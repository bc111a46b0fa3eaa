/** Whether the queues of given tasks are there, and of the type that the tasks ask for. */
import { taskQueue } from 'warren'
import { check, type Found } from '../check.js'

export const queueTypes = check(
  'queue-types',
  'the queues of the given tasks exist, as the type that the tasks ask for',
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
              why: 'Its workers do not start: a queue keeps its type for life.',
              fix: `Set queue.type back to ${queue.type}, or drain the queue and delete it: docs/guide/topology.md has the steps.`,
            },
          ]
        }),
)

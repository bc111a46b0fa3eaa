/** Whether delayed messages that are due move on. */
import { check, type Found } from '../check.js'
import { UNROUTABLE } from '../warrens.js'

export const delaysMoving = check(
  'delays-moving',
  'messages that are due leave their delay level, and a queue takes them',
  ['topology'],
  ({ topology }) => {
    const stuck = Object.entries(topology.stuck).map(
      ([level, count]): Found => ({
        severity: 'hurts',
        finding: `${count} messages in ${level} are due and do not move.`,
        why: 'They and all messages behind them in that level run late, or never.',
        fix: `rabbitmq-queues quorum_status shows whether the queue after ${level} has a majority; the check delay-levels names missing parts.`,
      }),
    )
    const left = topology.queues.find(({ name }) => name === UNROUTABLE)?.messages ?? 0
    if (left === 0) return stuck
    return [
      ...stuck,
      {
        severity: 'hurts',
        finding: `${left} delayed messages were due and no queue took them: they are in ${UNROUTABLE}.`,
        why: 'They do not run until they are moved.',
        fix: `Start their task's service once, which binds its queue to what is due; then move them to their commands exchange (docs/guide/topology.md, "Delay levels").`,
      },
    ]
  },
)

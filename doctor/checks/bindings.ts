/** Whether sent and delayed messages reach their task queue. */
import { commandsExchange } from 'warren'
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import { DUE, warrens } from '../warrens.js'

export const bindings = check(
  'bindings',
  "task queues are bound to their domain's exchange and to the exchange for due messages",
  ['topology'],
  ({ topology, tasks }) => {
    const queues = warrens(topology, tasks).tasks
    const isBound = (source: string, queue: string): boolean =>
      topology.bindings.some((each) => each.source === source && each.to === 'queue' && each.destination === queue)
    const unbound = queues.filter(({ name, domain }) => !isBound(commandsExchange(domain), name))
    const hasDue = topology.exchanges.some(({ name }) => name === DUE)
    const late = hasDue ? queues.filter(({ name }) => !isBound(DUE, name)) : []
    const found: Found[] = unbound.map(({ name, domain }) => ({
      severity: 'hurts',
      finding: `${name} is not bound to ${commandsExchange(domain)}.`,
      why: 'Messages for it are returned: send() rejects with UNROUTABLE.',
      fix: 'Restart a worker of its service, which binds it.',
    }))
    if (late.length > 0) {
      found.push({
        severity: 'hurts',
        finding: `${listed(late.map(({ name }) => name))} ${late.length > 1 ? 'are' : 'is'} not bound to ${DUE}.`,
        why: 'Its retries and other delayed messages end in warren.delay.unroutable when they are due.',
        fix: 'Restart a worker of its service, which binds it.',
      })
    }
    return found
  },
)

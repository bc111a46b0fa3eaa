/** What each node leads, and what lives only there: what its loss would mean. */
import type { Hono } from 'hono'
import type { Env } from '../guard.js'
import type { Parts } from '../parts.js'
import type { QueueView } from '../queueViews.js'
import { Refusal } from '../refusal.js'

interface Led {
  /** Quorum queues with copies elsewhere. */
  quorum: number
  /** Queues that live only there. */
  alone: number
  /** Some of their names. */
  only: string[]
}

const MAX_NAMES = 6

export function nodeRoutes(api: Hono<Env>, { observer }: Parts): void {
  api.get('/nodes', (context) => {
    const { moment } = observer
    if (moment === undefined) throw new Refusal(503, 'NOT_YET', 'The console has not looked yet: try again in a moment')
    // While RabbitMQ does not answer, nobody knows who leads.
    return context.json(moment.problem === undefined ? ledBy(moment.queues) : null)
  })
}

function ledBy(queues: readonly QueueView[]): Record<string, Led> {
  const nodes = new Map<string, Led>()
  for (const { name, type, role, leader, members } of queues) {
    if (leader === undefined || role === 'delay' || role === 'retry') continue
    const led = nodes.get(leader) ?? { quorum: 0, alone: 0, only: [] }
    nodes.set(leader, led)
    if (type === 'quorum' && members !== undefined && members.length > 1) led.quorum++
    else {
      led.alone++
      if (led.only.length < MAX_NAMES) led.only.push(name)
    }
  }
  return Object.fromEntries(nodes)
}

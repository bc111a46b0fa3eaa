/** Queues: listed, one with its consumers and policy, paused and resumed. */
import type { Context, Hono } from 'hono'
import { given } from '../given.js'
import type { Env } from '../guard.js'
import { askedPage } from '../paging.js'
import type { Parts } from '../parts.js'
import { itemOf, listQueues, type QueueSources, queueQuery } from '../queueList.js'
import { QUEUE_SERIES } from '../queueTrends.js'
import type { QueueView } from '../queueViews.js'
import { Refusal } from '../refusal.js'
import { jsonExcerpt } from '../text.js'
import { reasonIn, requireEmpty } from './body.js'

const MAX_CONSUMERS = 200
const MAX_POLICY = 4_000
/** A task may have one for each of very many keys. */
const MAX_LIMITS = 20

export function queueRoutes(api: Hono<Env>, parts: Parts): void {
  const { observer, controls, vhost } = parts
  api.get('/queues', (context) => {
    const sources = sourcesOf(parts)
    const query = queueQuery(context.req.query())
    // Nothing was counted yet, or RabbitMQ does not answer: what is shown is what there was.
    const { at, problem } = sources.moment
    return context.json({ at, problem: problem ?? null, ...listQueues(sources, query, askedPage(context.req.query())) })
  })
  api.get('/queues/:vhost/:name', async (context) => {
    const sources = sourcesOf(parts)
    const queue = knownQueue(sources, context)
    const detail = await observer.api.queue(queue.vhost, queue.name).catch(() => undefined)
    const names = new Map(observer.connections.map(({ name, given: own }) => [name, own]))
    return context.json({
      ...itemOf(queue, sources),
      ...given('limits', controls?.limitsOf(queue.task)?.slice(0, MAX_LIMITS)),
      ...{ series: QUEUE_SERIES, rows: observer.trends.rows(queue), own: queue.vhost === vhost },
      detail:
        detail === undefined
          ? null
          : {
              ...(detail.policy === undefined ? {} : { policy: detail.policy }),
              ...(detail.durable === undefined ? {} : { durable: detail.durable }),
              ...(detail.bytes === undefined ? {} : { bytes: detail.bytes }),
              definition: jsonExcerpt(detail.definition, MAX_POLICY, 2),
              arguments: jsonExcerpt(detail.arguments, MAX_POLICY, 2),
              consumersInAll: detail.consumers.length,
              consumers: detail.consumers
                .slice(0, MAX_CONSUMERS)
                .map((each) => ({ ...each, name: names.get(each.connection) ?? each.connection })),
            },
    })
  })
  const own = (context: Context<Env>): string => {
    const queue = knownQueue(sourcesOf(parts), context)
    if (queue.vhost === vhost && queue.role === 'task') return queue.name
    throw new Refusal(404, 'NOT_PAUSABLE', 'Only a service’s queue in the console’s own virtual host can be paused')
  }
  api.post('/queues/:vhost/:name/pause', async (context) => {
    const reason = await reasonIn(context, 'pause')
    const queue = own(context)
    await (await parts.library.open()).pause(queue, reason === undefined ? {} : { reason })
    const { user } = context.get('session')
    observer.tell({ tone: 'plain', text: `${user} paused ${queue}${reason === undefined ? '' : `: ${reason}`}` })
    await controls?.lookAgain()
    observer.look()
    return context.json({ queue, paused: true })
  })
  api.post('/queues/:vhost/:name/resume', async (context) => {
    await requireEmpty(context, 'resume')
    const queue = own(context)
    await (await parts.library.open()).resume(queue)
    observer.tell({ tone: 'plain', text: `${context.get('session').user} resumed ${queue}` })
    await controls?.lookAgain()
    observer.look()
    return context.json({ queue, paused: false })
  })
}

function sourcesOf({ observer, controls, vhost }: Parts): QueueSources {
  const { moment, trends } = observer
  if (moment === undefined) throw new Refusal(503, 'NOT_YET', 'The console has not looked yet: try again in a moment')
  return { moment, trends, paused: controls?.paused, vhost }
}

function knownQueue({ moment }: QueueSources, context: Context): QueueView {
  const { vhost, name } = context.req.param()
  const queue = moment.queues.find((each) => each.vhost === vhost && each.name === name)
  if (queue !== undefined) return queue
  throw new Refusal(404, 'UNKNOWN_QUEUE', 'There is no such queue among those that the console looks at')
}

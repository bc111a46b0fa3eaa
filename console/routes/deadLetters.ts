/** Dead letters: their queues, a page of one queue's, one whole, sent back, removed. */
import type { Context, Hono } from 'hono'
import { checkSweep, type LetterQuery, requireDeadLetterQueue } from '../deadLetterDesk.js'
import { given } from '../given.js'
import { type Env, jsonOf } from '../guard.js'
import { askedPage } from '../paging.js'
import type { Parts } from '../parts.js'
import type { QueueView } from '../queueViews.js'
import { Refusal } from '../refusal.js'

const MAX_WORDS = 200
const UNROUTABLE = 'warren.delay.unroutable'

/** Those that the console's own connection reaches: another virtual host may have another queue of the same name. */
export const deadLettersWithin = ({ observer, vhost }: Pick<Parts, 'observer' | 'vhost'>): QueueView[] =>
  (observer.moment?.queues ?? []).filter(
    (queue) => queue.vhost === vhost && (queue.role === 'deadLetters' || queue.name === UNROUTABLE),
  )

export function deadLetterRoutes(api: Hono<Env>, parts: Parts): void {
  const { desk, observer } = parts
  const queueOf = (context: Context) =>
    requireDeadLetterQueue(context.req.param('queue') ?? '', deadLettersWithin(parts))
  api.get('/dead-letters', (context) =>
    context.json(
      deadLettersWithin(parts).map(({ name, ready, state }) => ({
        queue: name,
        state,
        ...(ready === undefined ? {} : { ready }),
      })),
    ),
  )
  api.get('/dead-letters/:queue', async (context) => {
    const { look } = context.req.query()
    const query = queryOf(context)
    return context.json(await desk.list(queueOf(context), query, askedPage(context.req.query()), look))
  })
  api.get('/dead-letters/:queue/:id', async (context) =>
    context.json(await desk.show(queueOf(context), context.req.param('id'))),
  )
  api.post('/dead-letters/:queue/redrive', async (context) => {
    const queue = queueOf(context)
    const sweep = checkSweep(await jsonOf(context))
    const summary = await desk.redrive(queue, sweep)
    if (!sweep.dryRun) {
      const kept = summary.kept > 0 ? `; ${summary.kept} could not be sent and stay` : ''
      const text = `${context.get('session').user} sent ${summary.done} of ${queue} back${kept}`
      observer.tell({ tone: 'plain', text })
      observer.look()
    }
    return context.json(summary)
  })
  api.post('/dead-letters/:queue/purge', async (context) => {
    const queue = queueOf(context)
    const sweep = checkSweep(await jsonOf(context))
    const summary = await desk.purge(queue, sweep)
    if (!sweep.dryRun) {
      observer.tell({
        tone: 'plain',
        text: `${context.get('session').user} removed ${summary.done} of ${queue} for good`,
      })
      observer.look()
    }
    return context.json(summary)
  })
}

function queryOf(context: Context): LetterQuery {
  const { reason, task, text, error, olderThanMs, newerThanMs } = context.req.query()
  return {
    ...given('reason', words(reason)),
    ...given('task', words(task)),
    ...given('text', words(text)),
    ...given('error', words(error)),
    ...given('olderThanMs', age('olderThanMs', olderThanMs)),
    ...given('newerThanMs', age('newerThanMs', newerThanMs)),
  }
}

const words = (text = ''): string | undefined => text.slice(0, MAX_WORDS) || undefined

function age(name: string, text = ''): number | undefined {
  if (text === '') return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Refusal(400, 'BAD_FILTER', `Expected \`${name}\` to be milliseconds`)
}

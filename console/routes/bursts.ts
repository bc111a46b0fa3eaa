/** Bursts of the demo's tasks. */
import type { Hono } from 'hono'
import { checkBurst } from '../burst.js'
import { type Env, jsonOf } from '../guard.js'
import type { Parts } from '../parts.js'

export function burstRoutes(api: Hono<Env>, { bursts, observer }: Parts): void {
  api.post('/burst', async (context) => {
    const order = checkBurst(await jsonOf(context))
    const { user } = context.get('session')
    const view = await bursts.start(order, user, ({ task, state, sent, succeeded, failed, tookMs }) => {
      const took = `${(tookMs / 1000).toFixed(1)} s`
      const bad = failed > 0 ? `, ${count(failed)} failed or unanswered` : ''
      const end = state === 'ended' ? 'was ended' : 'is over'
      const text = `The burst of ${task} ${end}: ${count(sent)} sent, ${count(succeeded)} succeeded${bad}, in ${took}`
      observer.tell({ tone: failed > 0 ? 'bad' : 'good', text })
    })
    const each = `${order.random ? 'about ' : ''}${order.seconds} s each`
    observer.tell({ tone: 'plain', text: `${user} sends ${count(order.count)} × ${view.task}, ${each}` })
    return context.json(view)
  })
  api.delete('/burst', (context) => {
    bursts.end()
    return context.json({ ended: true })
  })
}

const count = (value: number): string => value.toLocaleString('en-US')

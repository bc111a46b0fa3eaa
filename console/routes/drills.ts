/** Drills, on a cluster of their own. */
import type { Hono } from 'hono'
import type { Env } from '../guard.js'
import type { Parts } from '../parts.js'
import { Refusal } from '../refusal.js'

export function drillRoutes(api: Hono<Env>, { drills, observer }: Parts): void {
  const required = () => {
    if (drills !== undefined) return drills
    throw new Refusal(404, 'NO_DRILLS', 'Drills run beside the local cluster only')
  }
  api.get('/drills', async (context) => context.json(await required().list()))
  api.post('/drills/:name', async (context) => {
    const { user } = context.get('session')
    const view = await required().start(context.req.param('name'), user, ({ name, verdict }) => {
      const text =
        verdict === undefined ? `The drill ${name} was ended without a verdict` : `The drill ${name} ${verdict.verdict}`
      observer.tell({ tone: verdict?.verdict === 'passed' ? 'good' : 'bad', text })
    })
    observer.tell({ tone: 'plain', text: `${user} runs the drill ${view.name}, on a cluster of its own` })
    return context.json(view)
  })
  api.delete('/drills', (context) => {
    void required().end()
    return context.json({ ended: true })
  })
}

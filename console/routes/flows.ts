/** Flows: those that were seen, one with its members, cancelled. */
import type { Hono } from 'hono'
import type { Env } from '../guard.js'
import { askedPage } from '../paging.js'
import type { Parts } from '../parts.js'
import { requireEmpty } from './body.js'

export function flowRoutes(api: Hono<Env>, { flows, observer }: Parts): void {
  api.get('/flows', async (context) =>
    context.json(await flows.list(context.req.query(), askedPage(context.req.query()))),
  )
  api.get('/flows/:id', async (context) =>
    context.json(await flows.show(context.req.param('id'), askedPage(context.req.query()))),
  )
  api.post('/flows/:id/cancel', async (context) => {
    await requireEmpty(context, 'cancel')
    const id = context.req.param('id')
    const { user } = context.get('session')
    const state = await flows.cancel(id, user)
    if (state === 'cancelled') observer.tell({ tone: 'plain', text: `${user} cancelled the flow ${id}` })
    return context.json({ id, state })
  })
}

/** Workers: listed. What is done to their processes is in `processes.ts`. */
import type { Hono } from 'hono'
import type { Env } from '../guard.js'
import { askedPage } from '../paging.js'
import type { Parts } from '../parts.js'
import { Refusal } from '../refusal.js'
import { listWorkers } from '../workerList.js'

export function workerRoutes(api: Hono<Env>, { observer }: Parts): void {
  api.get('/workers', (context) => {
    const { moment } = observer
    if (moment === undefined) throw new Refusal(503, 'NOT_YET', 'The console has not looked yet: try again in a moment')
    return context.json(listWorkers(moment, context.req.query(), askedPage(context.req.query())))
  })
}

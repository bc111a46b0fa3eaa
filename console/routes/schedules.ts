/** Schedules: listed, one with its next ticks, paused, resumed, triggered, removed. */
import type { Hono } from 'hono'
import type { Env } from '../guard.js'
import { askedPage } from '../paging.js'
import type { Parts } from '../parts.js'
import { reasonIn, requireEmpty } from './body.js'

export function scheduleRoutes(api: Hono<Env>, { schedules, observer }: Parts): void {
  api.get('/schedules', async (context) =>
    context.json(await schedules.list(context.req.query(), askedPage(context.req.query()))),
  )
  api.get('/schedules/:service/:id', async (context) => {
    const { service, id } = context.req.param()
    return context.json(await schedules.show(service, id))
  })
  const tell = (text: string) => observer.tell({ tone: 'plain', text })
  api.post('/schedules/:service/:id/pause', async (context) => {
    const { service, id } = context.req.param()
    const reason = await reasonIn(context, 'pause')
    await schedules.pause(service, id, reason)
    tell(
      `${context.get('session').user} paused the schedule ${id} of ${service}${reason === undefined ? '' : `: ${reason}`}`,
    )
    return context.json({ service, id, paused: true })
  })
  api.post('/schedules/:service/:id/resume', async (context) => {
    const { service, id } = context.req.param()
    await requireEmpty(context, 'resume')
    await schedules.resume(service, id)
    tell(`${context.get('session').user} resumed the schedule ${id} of ${service}`)
    return context.json({ service, id, paused: false })
  })
  api.post('/schedules/:service/:id/trigger', async (context) => {
    const { service, id } = context.req.param()
    await requireEmpty(context, 'trigger')
    const taskId = await schedules.trigger(service, id)
    tell(`${context.get('session').user} triggered the schedule ${id} of ${service}: task ${taskId}`)
    return context.json({ service, id, taskId })
  })
  api.post('/schedules/:service/:id/remove', async (context) => {
    const { service, id } = context.req.param()
    await requireEmpty(context, 'remove')
    const removed = await schedules.remove(service, id)
    if (removed) tell(`${context.get('session').user} removed the schedule ${id} of ${service}`)
    return context.json({ service, id, removed })
  })
}

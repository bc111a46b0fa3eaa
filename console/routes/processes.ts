/** The local cluster's processes: scaled, started, stopped and broken. */
import type { Hono } from 'hono'
import { checkOptions, is } from 'warren'
import { type Env, jsonOf } from '../guard.js'
import { type Launcher, PROCESS_ACTIONS, type ProcessAction } from '../launcher.js'
import type { Parts } from '../parts.js'
import { Refusal } from '../refusal.js'

/** HAProxy is the way to this page, and the console cannot start itself. */
const ACTED_ON = ['rabbitmq', 'worker', 'store']
const MAX_WORKERS = 149

export function processRoutes(api: Hono<Env>, { launcher, observer }: Parts): void {
  const required = (): Launcher => {
    if (launcher !== undefined) return launcher
    throw new Refusal(404, 'NO_LAUNCHER', 'This console controls no processes: the cluster is not its own')
  }
  api.post('/scale', async (context) => {
    const body = await jsonOf(context)
    checkOptions('scale', body, { workers: is.integer(0, MAX_WORKERS) }, ['workers'])
    const { workers } = body as { workers: number }
    observer.tell({ tone: 'plain', text: `${context.get('session').user} scales to ${workers} workers` })
    await required().scale(workers)
    observer.look()
    return context.json({ workers })
  })
  api.post('/process/:name/:action', async (context) => {
    const { name, action } = context.req.param()
    if (!isAction(action)) throw new Refusal(404, 'UNKNOWN_ACTION', `Nothing is called ${action} here`)
    const { processes } = await required().status()
    const process = processes.find((each) => each.name === name)
    if (process === undefined || !ACTED_ON.includes(process.kind)) {
      throw new Refusal(404, 'UNKNOWN_PROCESS', 'There is no such node, worker or store')
    }
    observer.tell({ tone: 'plain', text: `${context.get('session').user}: ${action} ${name}` })
    await required().act(name, action)
    observer.look()
    return context.json({ name, action })
  })
}

const isAction = (word: string): word is ProcessAction => PROCESS_ACTIONS.some((each) => each === word)

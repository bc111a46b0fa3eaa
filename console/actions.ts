/** The API's routes: looking things up, and what operators do. Each act is told in the feed, with who did it. */
import type { Hono } from 'hono'
import { checkOptions, is } from 'warren'
import { checkBurst } from './burst.js'
import { checkSweep, requireDeadLetterQueue } from './deadLetterDesk.js'
import { type Env, jsonOf } from './guard.js'
import { type Launcher, PROCESS_ACTIONS, type ProcessAction } from './launcher.js'
import type { Parts } from './parts.js'
import type { QueueView } from './queueViews.js'
import { taskView } from './recentTasks.js'
import { Refusal } from './refusal.js'
import { jsonExcerpt } from './text.js'
import { within } from './within.js'

const MAX_ID = 255
const MAX_SHOWN = 16_000
const STORE_MS = 5_000
/** HAProxy is the way to this page, and the console cannot start itself. */
const ACTED_ON = ['rabbitmq', 'worker', 'store']
const MAX_WORKERS = 149

export function actionRoutes(api: Hono<Env>, parts: Parts): void {
  taskRoutes(api, parts)
  deadLetterRoutes(api, parts)
  burstRoutes(api, parts)
  processRoutes(api, parts)
  drillRoutes(api, parts)
}

function taskRoutes(api: Hono<Env>, parts: Parts): void {
  const { library, bursts, desk } = parts
  api.get('/tasks/:id', async (context) => {
    const id = context.req.param('id')
    if (id.length > MAX_ID) throw new Refusal(400, 'BAD_ID', `A task id has at most ${MAX_ID} characters`)
    const stored = await within(STORE_MS, 'The result store', library.state(id))
    const sent = bursts.payload(id)
    // A success is no dead letter, and looking for one means going through all of them.
    const queues = stored?.status === 'SUCCESS' ? [] : deadLetterQueues(parts).filter(({ ready }) => (ready ?? 0) > 0)
    const dead = await Promise.all(queues.map(({ name }) => desk.show(name, id).catch(() => [])))
    return context.json({
      id,
      stored: stored === undefined ? null : taskView(stored, MAX_SHOWN),
      traceback: stored?.error?.traceback?.slice(0, MAX_SHOWN) ?? null,
      payload: sent === undefined ? null : { task: sent.task, input: jsonExcerpt(sent.input, MAX_SHOWN, 2) },
      deadLetters: dead.flat(),
    })
  })
}

/** Those that the console's own connection reaches: another virtual host may have another queue of the same name. */
const deadLetterQueues = ({ observer, vhost }: Pick<Parts, 'observer' | 'vhost'>): QueueView[] =>
  (observer.moment?.queues ?? []).filter((queue) => queue.role === 'deadLetters' && queue.vhost === vhost)

function deadLetterRoutes(api: Hono<Env>, parts: Parts): void {
  const { desk, observer } = parts
  const queueOf = (name: string) => requireDeadLetterQueue(name, deadLetterQueues(parts))
  api.get('/dead-letters/:queue', async (context) => {
    const { reason, task, text } = context.req.query()
    const filter = { ...(reason ? { reason } : {}), ...(task ? { task } : {}), ...(text ? { text } : {}) }
    return context.json(await desk.list(queueOf(context.req.param('queue')), filter as object))
  })
  api.get('/dead-letters/:queue/:id', async (context) =>
    context.json(await desk.show(queueOf(context.req.param('queue')), context.req.param('id'))),
  )
  api.post('/dead-letters/:queue/redrive', async (context) => {
    const queue = queueOf(context.req.param('queue'))
    const sweep = checkSweep(await jsonOf(context))
    const summary = await desk.redrive(queue, sweep)
    if (!sweep.dryRun) {
      const kept = summary.kept > 0 ? `; ${summary.kept} could not be sent and stay` : ''
      observer.tell({
        tone: 'plain',
        text: `${context.get('session').user} sent ${summary.done} of ${queue} back${kept}`,
      })
      observer.look()
    }
    return context.json(summary)
  })
  api.post('/dead-letters/:queue/purge', async (context) => {
    const queue = queueOf(context.req.param('queue'))
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

function burstRoutes(api: Hono<Env>, { bursts, observer }: Parts): void {
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

function processRoutes(api: Hono<Env>, { launcher, observer }: Parts): void {
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

function drillRoutes(api: Hono<Env>, { drills, observer }: Parts): void {
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

const count = (value: number): string => value.toLocaleString('en-US')

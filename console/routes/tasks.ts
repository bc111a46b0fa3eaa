/** Tasks: searched, one on its page, cancelled; and failures grouped by their error. */
import type { Context, Hono } from 'hono'
import { given } from '../given.js'
import type { Env } from '../guard.js'
import { errorOf } from '../letterGroups.js'
import { askedPage } from '../paging.js'
import type { Parts } from '../parts.js'
import { Refusal } from '../refusal.js'
import { checkTaskId } from '../taskDesk.js'
import { isState, type TaskHistory, type TaskItem, type TaskSearch } from '../taskHistory.js'
import { within } from '../within.js'
import { requireEmpty } from './body.js'
import { deadLettersWithin } from './deadLetters.js'

const SEARCH_MS = 10_000
/** Failures that are looked at for the overview. */
const MAX_FAILURES = 200
const MAX_GROUPS = 8
const MAX_WORDS = 200

export function taskRoutes(api: Hono<Env>, parts: Parts): void {
  const { taskDesk, desk, observer } = parts
  api.get('/tasks', async (context) => {
    const found = await within(SEARCH_MS, 'The search', historyOf(parts).find(searchOf(context)))
    return context.json(found)
  })
  api.get('/failures', async (context) => {
    const search = { state: 'failed', size: MAX_FAILURES } as const
    const { items, source } = await within(SEARCH_MS, 'The search', historyOf(parts).find(search))
    return context.json({ source, of: items.length, groups: failureGroups(items) })
  })
  api.get('/tasks/:id', async (context) => {
    const again = context.req.query('again') !== undefined
    return context.json(await taskDesk.look(context.req.param('id'), { again }))
  })
  /** Apart, since each look at a queue of dead letters holds all of it for a moment. */
  api.get('/tasks/:id/dead-letters', async (context) => {
    const id = checkTaskId(context.req.param('id'))
    const domain = context.req.query('domain')
    const filled = deadLettersWithin(parts).filter(({ ready }) => ready !== 0)
    const first = filled.filter(({ name }) => domain === undefined || name === `${domain}.dlq`)
    const find = (queues: typeof filled) => Promise.all(queues.map(({ name }) => desk.show(name, id).catch(() => [])))
    const found = (await find(first)).flat()
    const rest = found.length > 0 ? [] : (await find(filled.filter((queue) => !first.includes(queue)))).flat()
    return context.json([...found, ...rest])
  })
  api.post('/tasks/:id/cancel', async (context) => {
    await requireEmpty(context, 'cancel')
    const cancellation = await taskDesk.cancel(context.req.param('id'))
    const { user } = context.get('session')
    if (cancellation.outcome === 'cancelled') {
      observer.tell({ tone: 'plain', text: `${user} cancelled the task ${cancellation.id}` })
    }
    return context.json(cancellation)
  })
}

function historyOf({ history }: Parts): TaskHistory {
  if (history !== undefined) return history
  throw new Refusal(404, 'NO_STORE', 'This console has no result store: tasks cannot be looked up')
}

function searchOf(context: Context): TaskSearch {
  const { state = '', task, queue, worker, q, since, until, after, size } = context.req.query()
  if (state !== '' && !isState(state)) {
    throw new Refusal(400, 'BAD_FILTER', 'Expected `state` to be running, retrying, done, failed or cancelled')
  }
  return {
    ...(state === '' ? {} : { state }),
    ...given('task', words(task)),
    ...given('queue', words(queue)),
    ...given('worker', words(worker)),
    ...given('q', words(q)),
    ...given('since', instant('since', since)),
    ...given('until', instant('until', until)),
    ...given('after', words(after)),
    size: askedPage(size === undefined ? {} : { size }).size,
  }
}

const words = (text = ''): string | undefined => text.trim().slice(0, MAX_WORDS) || undefined

function instant(name: string, text = ''): number | undefined {
  if (text === '') return undefined
  const at = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isNaN(at)) return at
  throw new Refusal(400, 'BAD_FILTER', `Expected \`${name}\` to be an instant`)
}

interface FailureGroup {
  readonly error: string
  readonly task?: string
  readonly count: number
  /** The latest. */
  readonly id: string
  readonly doneAt?: string
}

/** The same error of the same task is the same failure; the most frequent first. */
function failureGroups(items: readonly TaskItem[]): FailureGroup[] {
  const groups = new Map<string, { count: number; latest: TaskItem; error: string }>()
  for (const item of items) {
    const { errorClass = '', message } = item.error ?? {}
    const error = errorOf({ reason: 'failed', errorClass, errorMessage: message?.text })
    const key = `${item.task ?? ''}\n${error}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { count: 1, latest: item, error })
    else group.count++
  }
  return [...groups.values()]
    .sort((a, b) => b.count - a.count)
    .slice(0, MAX_GROUPS)
    .map(({ count, error, latest: { id, task, doneAt } }) => ({
      ...{ count, error, id },
      ...(task === undefined ? {} : { task }),
      ...(doneAt === undefined ? {} : { doneAt }),
    }))
}

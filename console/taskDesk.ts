/** One task on its page: what the store holds of it, what happened to it, its payload where the console has it, its flow. */
import type { Cancellation, TaskAttempt, Warren } from 'warren'
import type { Bursts } from './burst.js'
import type { ProcessNames } from './processNames.js'
import { taskItem } from './recentTasks.js'
import { Refusal } from './refusal.js'
import type { TaskItem } from './taskHistory.js'
import { type Excerpt, excerpt, jsonExcerpt } from './text.js'
import { within } from './within.js'

const STORE_MS = 5_000
const MAX_ID = 255
const MAX_SHOWN = 16_000
const MAX_ATTEMPTS = 100
const MAX_TEXT = 500

export interface AttemptView {
  readonly number: number
  readonly run: number
  /** In Celery's words; STARTED: it runs, or nobody knows its end. */
  readonly state: string
  readonly startedAt?: string
  readonly endedAt?: string
  /** Of a retry: how long until the next attempt, in milliseconds. */
  readonly delayMs?: number
  readonly error?: Excerpt
  readonly worker?: string
}

export interface TaskPageView {
  readonly id: string
  /** Null when the store holds no state of it. */
  readonly stored: (TaskItem & { readonly run?: number }) | null
  readonly traceback: string | null
  /** In order, the last of them where there are very many. */
  readonly attempts: readonly AttemptView[]
  readonly moreAttempts?: number
  readonly queuedAt?: string
  /** What its handler reported last, and how often it is known to have. */
  readonly progress?: { readonly count: number; readonly last: Excerpt }
  readonly payload: { readonly task: string; readonly input: Excerpt } | null
  /** The flow whose member it is. */
  readonly flow?: string
}

export function checkTaskId(id: string): string {
  if (id.length > MAX_ID) throw new Refusal(400, 'BAD_ID', `A task id has at most ${MAX_ID} characters`)
  return id
}

export class TaskDesk {
  readonly #open: () => Promise<Warren>
  readonly #bursts: Bursts
  readonly #names: ProcessNames

  constructor(open: () => Promise<Warren>, bursts: Bursts, names: ProcessNames) {
    this.#open = open
    this.#names = names
    this.#bursts = bursts
  }

  /** `again`: its page was shown a moment ago; the whole history is not searched once more for what was not there. */
  async look(id: string, { again = false } = {}): Promise<TaskPageView> {
    const sent = this.#bursts.payload(checkTaskId(id))
    const { stored, known, progress, flow } = await within(STORE_MS, 'The result store', this.#read(id, again))
    const attempts = known?.attempts ?? []
    const queuedAt = known?.queuedAt ?? stored?.queuedAt
    return {
      id,
      stored:
        stored === undefined
          ? null
          : { ...taskItem(stored, MAX_SHOWN), ...(stored.run === undefined ? {} : { run: stored.run }) },
      traceback: stored?.error?.traceback?.slice(0, MAX_SHOWN) ?? null,
      attempts: attempts.slice(-MAX_ATTEMPTS).map((attempt) => attemptView(attempt, this.#names)),
      ...(attempts.length > MAX_ATTEMPTS ? { moreAttempts: attempts.length - MAX_ATTEMPTS } : {}),
      ...(queuedAt === undefined ? {} : { queuedAt: queuedAt.toISOString() }),
      ...(progress === undefined ? {} : { progress }),
      payload: sent === undefined ? null : { task: sent.task, input: jsonExcerpt(sent.input, MAX_SHOWN, 2) },
      ...(flow === undefined ? {} : { flow }),
    }
  }

  async cancel(id: string): Promise<Cancellation> {
    checkTaskId(id)
    const warren = await this.#open()
    return within(STORE_MS, 'The result store', warren.cancel(id))
  }

  async #read(id: string, again: boolean) {
    const warren = await this.#open()
    const stored = await warren.state(id)
    const [known, progress, flow] = await Promise.all([
      stored === undefined && again ? undefined : warren.history.task(id),
      progressOf(warren, id),
      flowOf(warren, id),
    ])
    return { stored, known, progress, flow }
  }
}

async function progressOf(warren: Warren, id: string): Promise<TaskPageView['progress']> {
  let count = 0
  let last: unknown
  try {
    for await (const event of warren.eventsOf(id, { follow: false })) {
      if (event.type !== 'progress') continue
      count++
      last = event.value
    }
  } catch {
    // What cannot be read is shown by the state, or not at all.
  }
  return count === 0 ? undefined : { count, last: jsonExcerpt(last, MAX_TEXT) }
}

/** The members of a flow have its id with their number behind it; so may others. */
async function flowOf(warren: Warren, id: string): Promise<string | undefined> {
  const flow = flowIdIn(id)
  if (flow === undefined) return undefined
  const state = await warren.flows
    .handle(flow)
    .state()
    .catch(() => undefined)
  return state === undefined ? undefined : flow
}

export const flowIdIn = (id: string): string | undefined => /^([\w.:-]{1,190})\.\d{1,6}$/.exec(id)?.[1]

function attemptView(attempt: TaskAttempt, names: ProcessNames): AttemptView {
  const { run, state, startedAt, endedAt, delayMs, error, hostname, pid } = attempt
  return {
    ...{ number: attempt.attempt, run, state },
    ...(startedAt === undefined ? {} : { startedAt: startedAt.toISOString() }),
    ...(endedAt === undefined ? {} : { endedAt: endedAt.toISOString() }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(error === undefined ? {} : { error: excerpt(`${error.errorClass}: ${error.message}`, MAX_TEXT) }),
    ...(hostname === undefined ? {} : { worker: names.of(hostname, pid) }),
  }
}

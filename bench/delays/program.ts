/**
 * A client or a worker of the measure `delays`: `node program.js client|worker`, with its setup in `BENCH_SETUP`. It takes
 * one JSON request a line on stdin, answers each on stdout, and ends when stdin does, as the rivals' programs do.
 *
 * Nothing here grows with the number of tasks but a bit for each that a worker may run.
 */
import { createInterface } from 'node:readline'
import { connect, defineTask, textOf, type Warren } from 'warren'
import { z } from 'zod'
import { SERVICE, type Setup } from '../rivals/rival.js'
import { type Report, Runs } from './runs.js'

/** Runs are counted by group. */
const input = z.object({ group: z.number(), n: z.number(), due: z.number() })

/** Which tasks: `task` is its place in the setup's list. */
interface Which {
  readonly task: number
  readonly group: number
}

/** What is asked of a client. Instants are in milliseconds since 1970. */
export type ClientRequest =
  /** So many, evenly within `withinMs`, each due at random within `overMs` of its sending. */
  | (Which & {
      readonly do: 'spread'
      readonly count: number
      readonly withinMs: number
      readonly overMs: number
    })
  /** So many, evenly within `withinMs`, the first due `at` an instant, each other `everyMs` after the one before. */
  | (Which & {
      readonly do: 'due'
      readonly count: number
      readonly withinMs: number
      readonly at: number
      readonly everyMs: number
    })
  /** So many for at once, as fast as they are confirmed, and the results of all. */
  | (Which & { readonly do: 'roundTrip'; readonly count: number })
  /** So many a second for at once, until `stop`. */
  | (Which & { readonly do: 'begin'; readonly perSecond: number })
  | { readonly do: 'stop' }

export type WorkerRequest =
  | { readonly do: 'report' }
  | { readonly do: 'look' }
  /** Stops the worker as a deployment does. */
  | { readonly do: 'drain' }

/** What a worker is like just now. */
export interface Look {
  /** How many it has run, by group. */
  readonly runs: readonly number[]
  readonly held: number
  /** How often it has lost a queue. */
  readonly lost: number
}

export interface Done {
  readonly seconds: number
  /** How many were sent. */
  readonly sent: number
}

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const setup = JSON.parse(process.env.BENCH_SETUP ?? '') as Setup
const tasks = setup.tasks.map((name) => defineTask({ name, input, queue: { type: setup.queueType } }))
const warren = await connect({
  ...{ broker: setup.broker, results: setup.results, logger: false },
  // A million results of a day would be all that the store does.
  resultTtlMs: 60_000,
})

async function serve<Request>(answer: (request: Request) => Promise<object>): Promise<void> {
  say({ ready: true })
  for await (const line of createInterface(process.stdin)) {
    say(await answer(JSON.parse(line) as Request).catch((error: unknown) => ({ error: textOf(error) })))
  }
}

async function client(): Promise<void> {
  let steady: Steady | undefined
  await serve<ClientRequest>(async (request) => {
    const from = performance.now()
    const seconds = (): number => (performance.now() - from) / 1000
    switch (request.do) {
      case 'spread': {
        const { overMs } = request
        const sent = await sendMany(request, () => Date.now() + Math.ceil(Math.random() * overMs))
        return { seconds: seconds(), sent }
      }
      case 'due': {
        const { at, everyMs } = request
        const sent = await sendMany(request, (n) => at + n * everyMs)
        return { seconds: seconds(), sent }
      }
      case 'roundTrip': {
        const waiting: Promise<unknown>[] = []
        const { group } = request
        const inputs = Array.from({ length: request.count }, (_, n) => ({ group, n, due: Date.now() }))
        await warren.sendMany(taskAt(request.task), inputs, { onSent: (handle) => waiting.push(handle.result()) })
        await Promise.all(waiting)
        return { seconds: seconds(), sent: request.count }
      }
      case 'begin':
        steady = new Steady(warren, request)
        return { seconds: 0, sent: 0 }
      case 'stop':
        return { seconds: seconds(), sent: (await steady?.stop()) ?? 0 }
    }
  })
  await steady?.stop()
}

const taskAt = (place: number) => tasks[place] as (typeof tasks)[number]

interface Many extends Which {
  readonly count: number
  readonly withinMs: number
}

async function sendMany(many: Many, due: (n: number) => number): Promise<number> {
  const { sent } = await warren.sendMany(taskAt(many.task), paced(many, due), {
    options: (each) => ({ at: new Date(each.due) }),
  })
  return sent
}

const TICK_MS = 10

/** Each when its turn has come, evenly over the time. */
async function* paced({ group, count, withinMs }: Many, due: (n: number) => number) {
  const from = performance.now()
  for (let n = 0; n < count; n++) {
    while (n >= (count * (performance.now() - from)) / withinMs) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS))
    }
    yield { group, n, due: due(n) }
  }
}

/** Tasks at a steady rate, each for at once; its number counts up. */
class Steady {
  readonly #timer: NodeJS.Timeout
  readonly #sending = new Set<Promise<unknown>>()
  readonly #from = performance.now()
  #sent = 0

  constructor(warren: Warren, { task, group, perSecond }: Which & { readonly perSecond: number }) {
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - this.#from) * perSecond) / 1000)
      while (this.#sent < due) {
        // It was due at its place in the series, also where this process was late.
        const at = Math.round(performance.timeOrigin + this.#from + (this.#sent * 1000) / perSecond)
        const given = { group, n: this.#sent++, due: at }
        const sending = warren.send(taskAt(task), given).finally(() => this.#sending.delete(sending))
        this.#sending.add(sending)
      }
    }, TICK_MS)
  }

  /** How many were sent, all confirmed. */
  async stop(): Promise<number> {
    clearInterval(this.#timer)
    await Promise.all(this.#sending)
    return this.#sent
  }
}

/** So many groups a measure has at most. */
const GROUPS = 4

async function worker(): Promise<void> {
  const groups = Array.from({ length: GROUPS }, () => new Runs())
  const made = warren.worker({ service: SERVICE })
  for (const task of tasks) {
    made.handle(task, ({ group, n, due }) => {
      groups[group]?.ran(n, Date.now() - due)
    })
  }
  let lost = 0
  made.on('consumerState', ({ state }) => {
    if (state === 'waiting') lost++
  })
  await made.start()
  await serve<WorkerRequest>(async (request) => {
    if (request.do === 'report') return { reports: groups.map((each): Report => each.report()) }
    if (request.do === 'look') {
      return { runs: groups.map((each) => each.count), held: made.health().held, lost } satisfies Look
    }
    const from = performance.now()
    await made.stop()
    return { seconds: (performance.now() - from) / 1000 }
  })
}

await (process.argv[2] === 'client' ? client() : worker())
await warren.close()
process.exit(0)

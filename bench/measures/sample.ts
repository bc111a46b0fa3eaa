/** One rival at work: started once, warmed up, measured as often as there are rounds, ended. */
import type { Child } from '../child.js'
import { type Cpu, cpuBetween, type Field, type Ground } from '../ground.js'
import { BESIDE } from '../rivals/index.js'
import type { Rival, Setup } from '../rivals/rival.js'
import { interleaved } from '../statistics.js'

export interface Sample {
  readonly perSecond: number
  readonly count: number
  readonly seconds: number
  readonly cpu: Cpu
}

export interface Cast {
  readonly rival: Rival
  readonly field?: Field
  /** None: nothing but publishing is measured. */
  readonly workers: number
  readonly bytes?: number
  readonly maxCount?: number
}

/** The text in each task's input, where nothing else is said. */
export const DEFAULT_BYTES = 100
const MIN_COUNT = 100
const MAX_COUNT = 100_000
/**
 * The first time, V8 compiles what is run often: a worker's hundredth task costs five times as much CPU as its twenty
 * thousandth, and a service runs for days. Later, a rest is over.
 */
const FIRST_WARM_UP_SECONDS = 12
const WARM_UP_SECONDS = 0.5
/** So many rounds with the same processes; then new ones, since chance decides which node leads a queue and which serves a client. */
const ROUNDS_TOGETHER = 2
/**
 * Where two builds of Warren are compared, both connect to a node with the same part, past HAProxy: at the leader's a
 * message costs a fifth less, and chance would tell more than the code.
 */
const PLACES = ['leader', 'follower'] as const

/** Starts a client and workers, and stops them when `use` is done. */
export async function withParts<Result>(
  ground: Ground,
  { rival, setup, workers }: { readonly rival: Rival; readonly setup: Setup; readonly workers: number },
  use: (client: Child, workers: readonly Child[]) => Promise<Result>,
): Promise<Result> {
  const starting = await Promise.allSettled([
    ground.child(rival, 'client', setup),
    ...Array.from({ length: workers }, () => ground.child(rival, 'worker', setup)),
  ])
  const children = starting.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  try {
    const [client, ...rest] = children
    const failed = starting.find((each) => each.status === 'rejected')
    if (client === undefined || failed !== undefined) throw failed?.reason
    return await use(client, rest)
  } finally {
    await Promise.all(children.map((child) => child.stop()))
  }
}

/**
 * Measures all of them in turn, A B B A B A A B, for so many rounds. Those whose turn it is not are at rest, with their
 * connections open.
 */
export async function inTurn<C extends Cast>(
  ground: Ground,
  options: { readonly casts: readonly C[]; readonly rounds: number; readonly seconds: number },
  found: (cast: C, sample: Sample, round: number) => void,
): Promise<void> {
  for (let done = 0, set = 0; done < options.rounds; done += ROUNDS_TOGETHER, set++) {
    const rounds = Math.min(ROUNDS_TOGETHER, options.rounds - done)
    await withAll(ground, castsOf(options.casts, set), [], async (troupes) => {
      for (const { round, contender } of interleaved(rounds, troupes)) {
        found(contender.cast, await contender.measure(options.seconds), done + round)
      }
    })
    await ground.emptyStore()
  }
}

/** Who is warmed up first rests longest before it is measured, and is a little slower then: they take turns at that. */
function castsOf<C extends Cast>(casts: readonly C[], set: number): readonly C[] {
  const inOrder = set % 2 === 0 ? casts : casts.toReversed()
  if (!casts.some(({ rival }) => rival.name === BESIDE)) return inOrder
  const at = PLACES[Math.floor(set / 2) % PLACES.length]
  return inOrder.map((cast) => ({ ...cast, field: { ...(at === undefined ? {} : { at }), ...cast.field } }))
}

/** Starts one after the other, each with queues of its own. */
async function withAll<C extends Cast>(
  ground: Ground,
  casts: readonly C[],
  started: readonly Troupe<C>[],
  use: (troupes: readonly Troupe<C>[]) => Promise<void>,
): Promise<void> {
  const [cast, ...rest] = casts
  if (cast === undefined) return use(started)
  const { rival, workers } = cast
  // Without results, the workers' own count says when all is done.
  const field = { ...cast.field, ...(isCounted(cast) ? { reportEveryMs: 5 } : {}) }
  await ground.withField(field, (setup) =>
    withParts(ground, { rival, setup, workers }, (client, all) =>
      withAll(ground, rest, [...started, new Troupe(ground, cast, setup, client, all)], use),
    ),
  )
}

const isCounted = ({ rival, workers }: Cast): boolean => workers > 0 && !rival.hasResults

/** The processes of one rival. */
class Troupe<C extends Cast> {
  readonly cast: C
  readonly #ground: Ground
  readonly #setup: Setup
  readonly #client: Child
  readonly #workers: readonly Child[]
  /** As measured last. */
  #perSecond: number | undefined

  constructor(ground: Ground, cast: C, setup: Setup, client: Child, workers: readonly Child[]) {
    this.#ground = ground
    this.cast = cast
    this.#setup = setup
    this.#client = client
    this.#workers = workers
  }

  /** Warms up, then lasts for about so many seconds: the count of tasks follows from the rate seen before. */
  async measure(seconds: number): Promise<Sample> {
    if (this.#perSecond === undefined) {
      await this.#warmUp(seconds)
    } else {
      await this.#go(this.#count(this.#perSecond, WARM_UP_SECONDS))
    }
    const count = this.#count(this.#perSecond ?? 0, seconds)
    const before = this.#ground.cpu(this.#client, this.#workers)
    const took = await this.#go(count)
    const cpu = cpuBetween(before, this.#ground.cpu(this.#client, this.#workers))
    this.#perSecond = count / took
    if (this.#workers.length === 0) await this.#ground.purge(this.#setup)
    return { perSecond: count / took, count, seconds: took, cpu }
  }

  /** In a quick run, no longer than the measured part: the rate grows while it lasts. */
  async #warmUp(seconds: number): Promise<void> {
    const from = performance.now()
    const passed = () => (performance.now() - from) / 1000
    for (let count = MIN_COUNT; passed() < Math.min(FIRST_WARM_UP_SECONDS, 6 * seconds); ) {
      this.#perSecond = count / (await this.#go(count))
      count = this.#count(this.#perSecond, 2)
      if (this.#workers.length === 0) await this.#ground.purge(this.#setup)
    }
  }

  #count(perSecond: number, seconds: number): number {
    const { maxCount = MAX_COUNT } = this.cast
    return Math.round(Math.min(Math.max(perSecond * seconds, MIN_COUNT), maxCount))
  }

  /** Gives how many seconds it took. */
  async #go(count: number): Promise<number> {
    const { bytes = DEFAULT_BYTES } = this.cast
    const load = { count, bytes, ms: 0 }
    if (!isCounted(this.cast)) {
      return (await this.#client.ask({ do: this.#workers.length > 0 ? 'roundTrip' : 'publish', ...load })).seconds
    }
    const from = performance.now()
    const done = untilBegun(this.#workers, count)
    await this.#client.ask({ do: 'publish', ...load })
    await done
    return (performance.now() - from) / 1000
  }
}

/** Resolves once the workers have begun so many more tasks together. */
function untilBegun(workers: readonly Child[], count: number): Promise<void> {
  const total = () => workers.reduce((sum, { began }) => sum + began, 0)
  const wanted = total() + count
  return new Promise((resolve) => {
    for (const worker of workers) {
      worker.onBegan = () => {
        if (total() >= wanted) resolve()
      }
    }
  })
}

/** CPU time of each task in microseconds, by whose it was; of the others, the share of one core that they used. */
export const cpuDetails = ({ cpu, count, seconds }: Sample): Record<string, number> => ({
  ...Object.fromEntries(
    Object.entries(cpu)
      .filter(([whose]) => whose !== 'others')
      .map(([whose, used]) => [`cpu of ${whose}, µs a task`, (used / count) * 1e6]),
  ),
  'cores used by others': cpu.others / seconds,
  tasks: count,
})

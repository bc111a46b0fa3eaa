/** One measurement of one rival: start it, warm it up, measure, end it. */
import type { Child } from '../child.js'
import { type Cpu, cpuBetween, type Field, type Ground } from '../ground.js'
import type { Rival, Setup } from '../rivals/rival.js'

export interface Sample {
  readonly perSecond: number
  readonly count: number
  readonly seconds: number
  readonly cpu: Cpu
}

export interface SampleOptions {
  readonly rival: Rival
  readonly field?: Field
  /** None: nothing but publishing is measured. */
  readonly workers: number
  readonly bytes?: number
  /** How long the measured part is to last, about. The count that takes so long is found while warming up. */
  readonly seconds: number
  readonly maxCount?: number
}

/** The text in each task's input, where nothing else is said. */
export const DEFAULT_BYTES = 100
const MIN_COUNT = 100
const MAX_COUNT = 100_000
/** So much of a second is spent with the first and with the second of the two rounds that warm up. */
const WARM_UP_SECONDS = 1

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

export async function sample(ground: Ground, options: SampleOptions): Promise<Sample> {
  const { rival, workers: count, bytes = DEFAULT_BYTES, seconds, maxCount = MAX_COUNT } = options
  // Without results, the workers' own count says when all is done.
  const counted = count > 0 && !rival.hasResults
  const field = { ...options.field, ...(counted ? { reportEveryMs: 5 } : {}) }
  return ground.withField(field, (setup) =>
    withParts(ground, { rival, setup, workers: count }, async (client, workers) => {
      const go = async (tasks: number) => {
        if (!counted) {
          return (await client.ask({ do: count > 0 ? 'roundTrip' : 'publish', count: tasks, bytes, ms: 0 })).seconds
        }
        const from = performance.now()
        const done = untilBegun(workers, tasks)
        await client.ask({ do: 'publish', count: tasks, bytes, ms: 0 })
        await done
        return (performance.now() - from) / 1000
      }
      const countFor = (perSecond: number, wanted: number) =>
        Math.round(Math.min(Math.max(perSecond * wanted, MIN_COUNT), maxCount))
      const first = MIN_COUNT / (await go(MIN_COUNT))
      const warm = countFor(first, WARM_UP_SECONDS)
      const second = warm / (await go(warm))
      const tasks = countFor(second, seconds)
      const before = ground.cpu(client, workers)
      const took = await go(tasks)
      const cpu = cpuBetween(before, ground.cpu(client, workers))
      return { perSecond: tasks / took, count: tasks, seconds: took, cpu }
    }),
  )
}

/** Resolves once the workers have begun so many more tasks together. */
export function untilBegun(workers: readonly Child[], count: number): Promise<void> {
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

import type { Child } from '../child.js'
import type { Ground } from '../ground.js'
import { rivals } from '../rivals/index.js'
import { claim, type Finding, type Measure, type Scene, Tally } from './measure.js'
import { DEFAULT_BYTES } from './sample.js'

const MESSAGES = 1_000_000
const WORKERS = 2
/** The workers' count comes so often: the ends of the first and the last tenth are found between two of them. */
const REPORT_MS = 50
const SAMPLE_MS = 1_000
const MB = 1e6
/** What a JavaScript heap may differ from one look to the next, by when it last collected its garbage. */
const FLAT = 1.25

/** So many tasks were begun at that second; other processes had used so much CPU. */
interface Mark {
  readonly at: number
  readonly total: number
  readonly others: number
}

interface Stretch {
  readonly rate: number
  readonly othersCores: number
}

interface Memory {
  readonly half: number
  readonly end: number
}

export const backlog: Measure = {
  name: 'backlog',
  does: `1,000,000 messages put in a quorum queue while nobody works, then drained by ${WORKERS} workers that store a result for each: the rate of the first and of the last tenth, and the memory of producer and workers at the half and at the end.`,
  rounds: 1,
  needs: [],
  async run({ ground, rounds, quick, say }: Scene): Promise<Finding> {
    const count = quick ? MESSAGES / 20 : MESSAGES
    const tally = new Tally()
    const rateRatios: number[] = []
    const producerRatios: number[] = []
    const workerRatios: number[] = []
    const { name: rival, configuration } = rivals.warren
    for (let round = 1; round <= rounds; round++) {
      const { publishSeconds, producer, worker, first, last, seconds } = await drain(ground, count, say)
      const add = (variant: string, unit: string, value: number, othersCores?: number) =>
        tally.add({ rival, variant, unit, configuration }, value, { 'cores used by others': othersCores })
      add('publishing', 'messages/s', count / publishSeconds)
      add('draining, all', 'tasks/s', count / seconds)
      add('draining, first tenth', 'tasks/s', first.rate, first.othersCores)
      add('draining, last tenth', 'tasks/s', last.rate, last.othersCores)
      add('memory of the producer at the half', 'MB', producer.half)
      add('memory of the producer at the end', 'MB', producer.end)
      add('memory of a worker at the half', 'MB', worker.half)
      add('memory of a worker at the end', 'MB', worker.end)
      rateRatios.push(last.rate / first.rate)
      producerRatios.push(producer.end / producer.half)
      workerRatios.push(worker.end / worker.half)
    }
    const messages = count.toLocaleString('en-US')
    return {
      series: tally.series,
      claims: [
        claim(`Draining ${messages}: rate of the last tenth to the first`, rateRatios, '×', { atLeast: 0.9 }),
        claim(`Draining ${messages}: producer's memory, end to half`, producerRatios, '×', { atMost: FLAT }),
        claim(`Draining ${messages}: a worker's memory, end to half`, workerRatios, '×', { atMost: FLAT }),
      ],
    }
  },
}

async function drain(ground: Ground, count: number, say: Scene['say']) {
  return ground.withField({ reportEveryMs: REPORT_MS }, async (setup) => {
    const client = await ground.child(rivals.warren, 'client', setup)
    const workers: Child[] = []
    try {
      const half = memoryAtHalf(() => client.rssBytes)
      const { seconds: publishSeconds } = await client.ask({ do: 'publish', count, bytes: DEFAULT_BYTES, ms: 0 })
      const producer = { half: half(), end: client.rssBytes / MB }
      say(`published ${count} in ${publishSeconds.toFixed(0)} s, the producer has ${producer.end.toFixed(0)} MB`)
      const started = await Promise.all(
        Array.from({ length: WORKERS }, () => ground.child(rivals.warren, 'worker', setup)),
      )
      workers.push(...started)
      return { publishSeconds, producer, ...(await watch(ground, workers, count, say)) }
    } finally {
      await Promise.all([client, ...workers].map((child) => child.stop()))
    }
  })
}

/** Follows the workers until all is begun. */
async function watch(ground: Ground, workers: readonly Child[], count: number, say: Scene['say']) {
  const from = performance.now()
  const seconds = () => (performance.now() - from) / 1000
  const total = () => workers.reduce((sum, { began }) => sum + began, 0)
  const rss = () => workers.reduce((sum, { rssBytes }) => sum + rssBytes, 0) / workers.length
  const others = () => ground.cpu(undefined, workers).others
  const tenth = count / 10
  const marks: Mark[] = [{ at: 0, total: 0, others: others() }]
  let half: number | undefined
  const sampler = setInterval(() => {
    if (half === undefined && total() >= count / 2) half = rss() / MB
    if (Math.floor(seconds()) % 20 === 0) say(`drained ${total()}, a worker has ${(rss() / MB).toFixed(0)} MB`)
  }, SAMPLE_MS)
  await new Promise<void>((resolve) => {
    for (const worker of workers) {
      worker.onBegan = () => {
        marks.push({ at: seconds(), total: total(), others: others() })
        if (total() >= count) resolve()
      }
    }
  })
  clearInterval(sampler)
  const at = (wanted: number) => marks.find((mark) => mark.total >= wanted) ?? (marks.at(-1) as Mark)
  const between = (low: number, high: number): Stretch => {
    const [from, to] = [at(low), at(high)]
    const lasted = to.at - from.at
    return { rate: (to.total - from.total) / lasted, othersCores: (to.others - from.others) / lasted }
  }
  const end: Memory['end'] = rss() / MB
  return {
    // What the first seconds bring is not the first tenth of the work: the workers are only warming up.
    first: between(tenth / 10, tenth),
    last: between(count - tenth, count),
    seconds: at(count).at,
    worker: { half: half ?? end, end },
  }
}

/** Looks at a process's memory each second; gives what it was at the half of the time, in MB. */
function memoryAtHalf(rss: () => number): () => number {
  const seen: number[] = []
  const timer = setInterval(() => seen.push(rss()), SAMPLE_MS)
  return () => {
    clearInterval(timer)
    return (seen[Math.floor(seen.length / 2)] ?? rss()) / MB
  }
}

/**
 * Tasks that are sent for later. Three situations: due at random over some time; all due at the same second; and Celery's
 * `countdown` of an hour, as a Python client publishes it, at one worker that has other work to do.
 */
import type { Child } from '../child.js'
import { countdown } from '../delays/countdown.js'
import { delaying } from '../delays/delaying.js'
import { MemoryWatch } from '../delays/memory.js'
import type { ClientRequest, Done, Look, WorkerRequest } from '../delays/program.js'
import { type Report, together, type Whole } from '../delays/runs.js'
import type { Ground } from '../ground.js'
import { pause } from '../rivals/rival.js'
import { claim, type Finding, type Measure, type Scene, Tally } from './measure.js'

const DELAYS = 100_000
const OVER_MINUTES = 5
const IMMEDIATE_PER_SECOND = 100
const CROWD = 100_000
/** Those that are due while the crowd is worked off. */
const MEANWHILE = { count: 200, everyMs: 100 }
const SEND_PER_SECOND = 2_000
const LOOK_MS = 500
const SAY_MS = 30_000
/** How long after the last is due its run is waited for. */
const OVERDUE_MS = 120_000
const MB = 1e6

export const delays: Measure = {
  name: 'delays',
  does: `Delayed tasks on quorum queues: ${DELAYS.toLocaleString('en-US')} due at random over ${OVER_MINUTES} minutes (or as many as \`--delays\` and \`--over\` say) beside ${IMMEDIATE_PER_SECOND} immediate tasks a second; ${CROWD.toLocaleString('en-US')} due at the same second; 10,000 of Celery's \`countdown\` at one worker.`,
  rounds: 1,
  needs: [],
  async run(scene: Scene): Promise<Finding> {
    const { rounds, quick, delays: given } = scene
    const tally = new Tally()
    const claims: Finding['claims'][number][] = []
    const count = given?.count ?? (quick ? DELAYS / 50 : DELAYS)
    const minutes = given?.minutes ?? (quick ? 1 / 3 : OVER_MINUTES)
    for (let round = 1; round <= rounds; round++) {
      claims.push(...(await spread(scene, tally, { count, overMs: minutes * 60_000 })))
      // Asked for a number of delays, it measures those and nothing else.
      if (given !== undefined) continue
      claims.push(...(await crowd(scene, tally, quick ? CROWD / 20 : CROWD)))
      claims.push(...(await countdown(scene, tally)))
    }
    return { series: tally.series, claims: joined(claims) }
  },
}

/** The same claim of several rounds as one. */
function joined(claims: Finding['claims']): Finding['claims'] {
  const byText = new Map<string, Finding['claims'][number]>()
  for (const each of claims) {
    const { text, unit, values, reached: _reached, ...bound } = each
    byText.set(text, claim(text, [...(byText.get(text)?.values ?? []), ...values], unit, bound))
  }
  return [...byText.values()]
}

interface Parts {
  /** Sends what is delayed. */
  readonly sender: Child
  /** Sends what is to run at once. */
  readonly steady: Child
  readonly workers: readonly Child[]
}

async function withParts<Result>(ground: Ground, use: (parts: Parts) => Promise<Result>): Promise<Result> {
  return ground.withField({ queues: 2 }, async (setup) => {
    const children: Child[] = []
    const start = async (part: 'client' | 'worker'): Promise<Child> => {
      const child = await ground.child(delaying, part, setup)
      children.push(child)
      return child
    }
    try {
      // Workers first: they bind the queues to what is due.
      const workers = [await start('worker'), await start('worker')]
      const [sender, steady] = [await start('client'), await start('client')]
      return await use({ sender, steady, workers })
    } finally {
      await Promise.all(children.map((child) => child.stop()))
    }
  })
}

const asks = <Answer>(child: Child, request: ClientRequest | WorkerRequest): Promise<Answer> =>
  child.askFor<Answer>(request)

/** How many of a group the workers have run. */
async function ranOf(workers: readonly Child[], group: number): Promise<number> {
  const looks = await Promise.all(workers.map((worker) => asks<Look>(worker, { do: 'look' })))
  return looks.reduce((sum, { runs }) => sum + (runs[group] ?? 0), 0)
}

async function reportOf(workers: readonly Child[]): Promise<(group: number, count: number) => Whole> {
  const answers = await Promise.all(
    workers.map((worker) => asks<{ reports: readonly Report[] }>(worker, { do: 'report' })),
  )
  return (group, count) =>
    together(
      answers.map(({ reports }) => reports[group] as Report),
      count,
    )
}

/** Waits until so many of a group have run, at most until an instant by `performance.now()`; says how far it is. */
async function until(
  { workers }: Parts,
  { group, count, endsAt }: { readonly group: number; readonly count: number; readonly endsAt: number },
  say: (ran: number) => void,
): Promise<void> {
  let saidAt = performance.now()
  while (performance.now() < endsAt) {
    const ran = await ranOf(workers, group)
    if (ran >= count) return
    if (performance.now() - saidAt >= SAY_MS) {
      saidAt = performance.now()
      say(ran)
    }
    await pause(LOOK_MS)
  }
}

const QUANTILES: readonly (readonly [string, number])[] = [
  ['p50', 0.5],
  ['p99', 0.99],
  ['p99.9', 0.999],
]

const words = (count: number): string => count.toLocaleString('en-US')

async function spread(
  { ground, say }: Scene,
  tally: Tally,
  { count, overMs }: { readonly count: number; readonly overMs: number },
): Promise<Finding['claims']> {
  const situation = `${words(count)} over ${Number((overMs / 60_000).toPrecision(2))} min`
  const { name: rival, configuration } = delaying
  const add = (variant: string, unit: string, value: number): void =>
    tally.add({ rival, variant: `${situation}: ${variant}`, unit, configuration }, value)
  return withParts(ground, async (parts) => {
    const { sender, steady, workers } = parts
    await using memory = new MemoryWatch(ground, [...workers, sender])
    await asks<Done>(steady, { do: 'begin', task: 1, group: 1, perSecond: IMMEDIATE_PER_SECOND })
    // No more than a sixth of the time is spent sending, and no more is sent a second than leaves room for the rest.
    const withinMs = overMs / 6
    say(`${situation}: sending for ${Math.round(withinMs / 1000)} s`)
    const startedAt = performance.now()
    let sent = false
    const sending = asks<Done>(sender, { do: 'spread', task: 0, group: 0, count, withinMs, overMs }).finally(() => {
      sent = true
    })
    const progress = (ran: number): void =>
      say(`${situation}: ${sent ? 'all sent' : 'sending'}, ${words(ran)} have run; ${memory.now}`)
    const [done] = await Promise.all([
      sending,
      until(parts, { group: 0, count, endsAt: startedAt + withinMs + overMs + OVERDUE_MS }, progress),
    ])
    memory.end()
    const immediate = await asks<Done>(steady, { do: 'stop' })
    await until(parts, { group: 1, count: immediate.sent, endsAt: performance.now() + OVERDUE_MS }, () => undefined)
    const of = await reportOf(workers)
    const [delayed, beside] = [of(0, count), of(1, immediate.sent)]
    for (const [what, whole] of [
      ['delayed', delayed],
      ['immediate beside', beside],
    ] as const) {
      for (const [quantile, share] of QUANTILES) add(`late, ${what}, ${quantile}`, 'ms', whole.quantile(share))
      add(`late, ${what}, latest`, 'ms', whole.latestMs)
      add(`lost, ${what}`, 'tasks', whole.lost)
      add(`run twice, ${what}`, 'tasks', whole.doubled)
    }
    add('early', 'tasks', delayed.early)
    add('sent', 'tasks/s', done.sent / done.seconds)
    for (const [variant, megabytes] of memory.found()) add(variant, 'MB', megabytes / MB)
    say(
      `${situation}: lost ${delayed.lost}, early ${delayed.early}, twice ${delayed.doubled}; late p50 / p99 / p99.9 / latest ${QUANTILES.map(([, share]) => delayed.quantile(share)).join(' / ')} / ${delayed.latestMs} ms; immediate p99.9 ${beside.quantile(0.999)} ms`,
    )
    return [
      claim(`${situation}: early`, [delayed.early], 'tasks', { atMost: 0 }),
      claim(`${situation}: lost`, [delayed.lost + beside.lost], 'tasks', { atMost: 0 }),
      claim(`${situation}: lateness, p99.9`, [delayed.quantile(0.999)], 'ms', { atMost: 1_500 }),
      claim(`${situation}: a worker's memory, last third to middle third`, [memory.growth], '×', { atMost: 1.05 }),
    ]
  })
}

/** All due at one second, and others while they are worked off: of another task, and of the same. */
async function crowd({ ground, say }: Scene, tally: Tally, count: number): Promise<Finding['claims']> {
  const situation = `${words(count)} due at the same second`
  const { name: rival, configuration } = delaying
  const add = (variant: string, unit: string, value: number): void =>
    tally.add({ rival, variant: `${situation}: ${variant}`, unit, configuration }, value)
  return withParts(ground, async (parts) => {
    const { sender, steady, workers } = parts
    await using memory = new MemoryWatch(ground, [...workers, sender])
    const withinMs = (count / SEND_PER_SECOND) * 1000
    const at = Date.now() + Math.round(withinMs * 1.2) + 15_000
    say(`${situation}: sending for ${Math.round(withinMs / 1000)} s`)
    const many = { do: 'due', withinMs, at } as const
    const { count: few, everyMs } = MEANWHILE
    await Promise.all([
      asks<Done>(sender, { ...many, task: 0, group: 0, count, everyMs: 0 }),
      (async () => {
        await asks<Done>(steady, { ...many, task: 1, group: 1, count: few, everyMs })
        await asks<Done>(steady, { ...many, withinMs: 1_000, task: 0, group: 2, count: few, everyMs })
      })(),
    ])
    if (Date.now() >= at) say(`${situation}: sending took longer than was expected, and some were due meanwhile`)
    await pause(Math.max(0, at - Date.now()))
    const from = performance.now()
    const endsAt = from + OVERDUE_MS
    const progress = (ran: number): void => say(`${situation}: ${words(ran)} have run; ${memory.now}`)
    await until(parts, { group: 0, count, endsAt }, progress)
    const seconds = (performance.now() - from) / 1000
    await until(parts, { group: 1, count: few, endsAt }, () => undefined)
    await until(parts, { group: 2, count: few, endsAt }, () => undefined)
    memory.end()
    const of = await reportOf(workers)
    const [all, others, same] = [of(0, count), of(1, few), of(2, few)]
    add('drained', 'tasks/s', all.runs / seconds)
    for (const [quantile, share] of QUANTILES) add(`late, ${quantile}`, 'ms', all.quantile(share))
    add('late, latest', 'ms', all.latestMs)
    add('due meanwhile, of another task: late, latest', 'ms', others.latestMs)
    add('due meanwhile, of the same task: late, latest', 'ms', same.latestMs)
    for (const [variant, megabytes] of memory.found()) add(variant, 'MB', megabytes / MB)
    say(
      `${situation}: drained at ${Math.round(all.runs / seconds)} tasks/s; lost ${all.lost}, early ${all.early}, twice ${all.doubled}; due meanwhile, latest: ${others.latestMs} ms (another task), ${same.latestMs} ms (the same task)`,
    )
    return [
      claim(`${situation}: early`, [all.early + others.early + same.early], 'tasks', { atMost: 0 }),
      claim(`${situation}: lost`, [all.lost + others.lost + same.lost], 'tasks', { atMost: 0 }),
      claim(`${situation}: lateness of another task's due meanwhile, latest`, [others.latestMs], 'ms', {
        atMost: 5_000,
      }),
    ]
  })
}

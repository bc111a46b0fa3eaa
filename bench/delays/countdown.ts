/**
 * Celery's `apply_async(countdown=3600)`, 10,000 times, at one worker that has other work: what that costs the other work,
 * how long the worker takes to stop meanwhile, and whether a consumer timeout of ten seconds takes anything from it.
 */
import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'
import { commandsExchange, taskQueue } from 'warren'
import type { Child } from '../child.js'
import type { Ground } from '../ground.js'
import { claim, type Finding, type Scene, type Tally } from '../measures/measure.js'
import { DOMAIN, pause, SERVICE, type Setup } from '../rivals/rival.js'
import { ratios } from '../statistics.js'
import { delaying } from './delaying.js'
import type { Done, Look } from './program.js'

const COUNT = 10_000
const HOUR_MS = 3_600_000
const ROUNDS = 3
/** RabbitMQ looks for consumers that have timed out once a minute. */
const TIMEOUT_MS = 10_000
const TIMEOUT_SEEN_MS = 75_000
const LEVELS = Array.from({ length: 24 }, (_, level) => `warren.delay.level.${String(level).padStart(2, '0')}`)

export async function countdown({ ground, quick, say }: Scene, tally: Tally): Promise<Finding['claims']> {
  const count = quick ? COUNT / 10 : COUNT
  const situation = `countdown=3600, ${count.toLocaleString('en-US')} times`
  const { name: rival, configuration } = delaying
  const add = (variant: string, unit: string, value: number): void =>
    tally.add({ rival, variant: `${situation}: ${variant}`, unit, configuration }, value)
  return ground.withField({ queues: 2 }, async (setup) => {
    await setConsumerTimeout(ground, String(TIMEOUT_MS))
    const [worker, client] = [
      await ground.child(delaying, 'worker', setup),
      await ground.child(delaying, 'client', setup),
    ]
    try {
      const immediate = async (): Promise<number> => {
        const { sent, seconds } = await client.askFor<Done>({
          ...{ do: 'roundTrip', task: 1, group: 1, count: quick ? 1_000 : 10_000 },
        })
        return sent / seconds
      }
      await immediate()
      const without: number[] = []
      const beside: number[] = []
      const moved: number[] = []
      for (let round = 1; round <= ROUNDS; round++) {
        without.push(await immediate())
        moved.push(await movedIn(ground, setup, worker, count))
        beside.push(await immediate())
        say(
          `${situation}, round ${round}: moved into the levels in ${moved.at(-1)?.toFixed(1)} s; immediate tasks ${Math.round(without.at(-1) ?? 0)}/s without, ${Math.round(beside.at(-1) ?? 0)}/s beside`,
        )
        if (round < ROUNDS) await purgeLevels(ground)
      }
      if (!quick) await pause(TIMEOUT_SEEN_MS)
      const { lost, held } = await worker.askFor<Look>({ do: 'look' })
      const { seconds: stopped } = await worker.askFor<Done>({ do: 'drain' })
      const pending = await inLevels(ground)
      for (const [variant, values, unit] of [
        ['immediate tasks without', without, 'tasks/s'],
        ['immediate tasks beside', beside, 'tasks/s'],
        ['moved into the levels', moved, 's'],
      ] as const) {
        for (const value of values) add(variant, unit, value)
      }
      add('the worker stops', 's', stopped)
      add('waiting in the levels at the end', 'messages', pending)
      say(`${situation}: the worker held ${held}, lost its queues ${lost} times, stopped in ${stopped.toFixed(2)} s`)
      return [
        claim(`${situation}: immediate tasks beside, to without`, ratios(beside, without), '×', { atLeast: 0.95 }),
        claim(`${situation}: the worker stops`, [stopped], 's', { atMost: 1 }),
        claim(`${situation}: missing from the levels at the end`, [count - pending], 'messages', { atMost: 0 }),
        claim(`${situation}: queues lost to a consumer timeout of 10 s`, [lost], 'times', { atMost: 0 }),
      ]
    } finally {
      await Promise.all([worker, client].map((child) => child.stop()))
      await setConsumerTimeout(ground, '1800000')
      await purgeLevels(ground)
    }
  })
}

/** Publishes as Celery does, and returns the seconds until neither queue nor worker has any of them. */
async function movedIn(ground: Ground, { tasks: [task = ''] }: Setup, worker: Child, count: number): Promise<number> {
  return onChannel(ground, async (channel) => {
    const eta = new Date(Date.now() + HOUR_MS).toISOString().replace('Z', '000+00:00')
    const from = performance.now()
    for (let n = 0; n < count; n++) {
      const id = randomUUID()
      const body = [
        [],
        { group: 0, n, due: Date.now() + HOUR_MS },
        { callbacks: null, errbacks: null, chain: null, chord: null },
      ]
      channel.publish(commandsExchange(DOMAIN), task, Buffer.from(JSON.stringify(body)), {
        ...{ contentType: 'application/json', contentEncoding: 'utf-8', correlationId: id, persistent: true },
        headers: { lang: 'py', task, id, eta, retries: 0, origin: 'gen1@bench', root_id: id },
      })
      if (n % 1_000 === 999) await channel.waitForConfirms()
    }
    await channel.waitForConfirms()
    for (;;) {
      const { messageCount } = await channel.checkQueue(taskQueue(task, SERVICE))
      const { held } = await worker.askFor<Look>({ do: 'look' })
      if (messageCount === 0 && held === 0) return (performance.now() - from) / 1000
      await pause(50)
    }
  })
}

const inLevels = (ground: Ground): Promise<number> =>
  onChannel(ground, async (channel) => {
    let sum = 0
    for (const level of LEVELS) sum += (await channel.checkQueue(level)).messageCount
    return sum
  })

const purgeLevels = (ground: Ground): Promise<void> =>
  onChannel(ground, async (channel) => {
    for (const level of LEVELS) await channel.purgeQueue(level)
  })

async function setConsumerTimeout(ground: Ground, ms: string): Promise<void> {
  for (const node of [1, 2, 3]) {
    await ground.cluster.rabbitmqctl(node, ['eval', `application:set_env(rabbit, consumer_timeout, ${ms}).`])
  }
}

async function onChannel<Result>(ground: Ground, use: (channel: Channel) => Promise<Result>): Promise<Result> {
  const connection = await connect(ground.cluster.brokerUrl('admin'))
  try {
    return await use(await connection.createConfirmChannel())
  } finally {
    await connection.close()
  }
}

type Channel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createConfirmChannel']>>

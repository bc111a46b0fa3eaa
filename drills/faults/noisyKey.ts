/** One key with a flood of messages beside ten thousand quiet ones, of a task with a rate for each key. */
import { connect, type Warren } from 'warren'
import { Crew } from '../crew.js'
import { keyed, NOISY } from '../crewTasks.js'
import type { Drill, Evidence, Scene } from '../drill.js'
import { most } from '../limitVerdict.js'

const FLOOD = 100_000
/** From a sender that has no store, and so does not know of the limit: all of these pass through the workers. */
const UNSEEN = 4_000
const QUIET_KEYS = 10_000
/** Messages a second of the quiet keys, each of another one in turn. */
const QUIET_RATE = 50
const TICK_MS = 20
const BEFORE_MS = 20_000
const AFTER_MS = 10_000
const WORKERS = 3
const CONCURRENCY = 10
/** Of the messages of the quiet keys, 99 of 100 start within. A flood is work for the broker, whoever waits for whom. */
const P99_MS = 1_000
/** A start each second, and one more where clocks differ. */
const NOISY_IN_TEN_SECONDS = 11
/** A worker makes a message wait once, at most; but what is delivered again, with a lost channel, it makes wait again. */
const WAITS = 1
const DELIVERED_AGAIN = UNSEEN / 100
const TIMEOUT_MS = 120_000
const LEVELS = 24

/** A part of the drill, by name: when it began, and when it was over. */
type Parts = Map<'before' | 'flood' | 'unseen', readonly [from: number, to: number]>

export const noisyKey: Drill = {
  name: 'noisy-key',
  does: `Sends ${FLOOD.toLocaleString('en-US')} messages of one key as fast as it can, while ${QUIET_KEYS.toLocaleString('en-US')} other keys of the same task have one now and then; each key has a rate of 1 a second.`,
  holds: `99 of 100 messages of the other keys start within ${P99_MS / 1_000} s of being sent; the noisy key keeps to its rate, and each of its messages waits in the broker at most twice.`,
  recoverWithinMs: null,
  load: { ratePerQueue: 2 },
  async fault(scene) {
    const { drillCluster, hold, mark, defer, until } = scene
    const crew = new Crew(scene, CONCURRENCY)
    await crew.add(WORKERS)
    const { adminUrl: broker, resultsUrl: results } = drillCluster
    const warren = await connect({ broker, results, logger: false })
    defer(() => warren.close())
    defer(() => purgeLevels(scene))
    // The line of a flood before this one would last for more than a day.
    const forget = () => warren.limits.clear({ task: keyed, key: NOISY })
    await forget()
    defer(forget)
    const quiet = sendQuiet(warren)
    defer(() => quiet.stop())
    const parts: Parts = new Map()
    const part = async (name: 'before' | 'flood' | 'unseen', act: () => Promise<unknown>): Promise<void> => {
      const from = Date.now()
      await act()
      parts.set(name, [from, Date.now()])
    }
    await part('before', () => hold(BEFORE_MS))
    mark('fault', `Sending ${FLOOD} messages of one key`)
    await part('flood', () => crew.flood(FLOOD, { withStore: true }))
    mark('repair', 'All are sent')
    await hold(AFTER_MS)
    mark('fault', `Sending ${UNSEEN} more, from a sender without a store`)
    await part('unseen', async () => {
      await crew.flood(UNSEEN, { withStore: false })
      await hold(AFTER_MS)
    })
    mark('repair', 'All are sent')
    quiet.stop()
    const ran = () => new Set(crew.runs.of(keyed.name).flatMap(({ key, id }) => (key === NOISY ? [] : [id]))).size
    const missing = () => (ran() >= quiet.sent - quiet.failed ? undefined : `${ran()} of ${quiet.sent} ran`)
    await until('all of the quiet keys', missing, TIMEOUT_MS)
    scene.numbers.set('failed', quiet.failed)
    const longest = measure(crew, parts, scene.numbers)
    if (longest.length > WAITS) mark('seen', `One message waited ${longest.length} times: ${longest.join('; ')}`)
  },
  check({ numbers }) {
    const of = (name: string): number => numbers.get(name) ?? Number.NaN
    return [
      ...(of('flood p99') <= P99_MS ? [] : [`the others' p99 was ${of('flood p99')} ms beside the flood`]),
      ...(of('failed') === 0 ? [] : [`${of('failed')} messages of the others were not sent`]),
      ...(of('noisy ran') > 0 ? [] : ['nothing of the noisy key ran']),
      ...(of('noisy in ten seconds') <= NOISY_IN_TEN_SECONDS
        ? []
        : [`${of('noisy in ten seconds')} of the noisy key ran in 10 s`]),
      ...(of('waited more') <= DELIVERED_AGAIN
        ? []
        : [
            `workers made ${of('waited more')} messages wait in the broker more than ${WAITS} times, one ${of('waits')} times`,
          ]),
    ]
  },
  tell: ({ numbers }: Evidence) => {
    const of = (name: string): string => String(Math.round(numbers.get(name) ?? Number.NaN))
    const line = (name: string): string =>
      `p50 ${of(`${name} p50`)} ms, p99 ${of(`${name} p99`)} ms, at most ${of(`${name} max`)} ms (${of(`${name} count`)} messages in ${of(`${name} seconds`)} s)`
    return [
      `From send to start, of the other keys: before the flood ${line('before')}; while it was sent ${line('flood')}.`,
      `While ${UNSEEN} messages of the noisy key came from a sender without a store, and after: ${line('unseen')}.`,
      `Of the noisy key ${of('noisy ran')} ran, at most ${of('noisy in ten seconds')} in 10 s; workers made ${of('waited more')} messages wait in the broker more than once.`,
    ]
  },
}

interface Quiet {
  readonly sent: number
  readonly failed: number
  stop(): void
}

/** Sends messages of the quiet keys until it is stopped. */
function sendQuiet(warren: Warren): Quiet {
  const count = { sent: 0, failed: 0 }
  const startedAt = performance.now()
  const timer = setInterval(() => {
    for (const due = ((performance.now() - startedAt) * QUIET_RATE) / 1_000; count.sent < due; count.sent++) {
      const input = { key: `quiet ${count.sent % QUIET_KEYS}`, n: count.sent, workMs: 0, sentAt: Date.now() }
      warren.send(keyed, input).catch(() => count.failed++)
    }
  }, TICK_MS)
  return Object.assign(count, { stop: () => clearInterval(timer) })
}

/** Returns what workers made the message wait that waited most often, a line for each time. */
function measure(crew: Crew, parts: Parts, numbers: Map<string, number>): readonly string[] {
  const runs = crew.runs.of(keyed.name)
  for (const [name, [from, to]] of parts) {
    const waits = runs
      .filter(({ key, sentAt }) => key !== NOISY && sentAt >= from && sentAt < to)
      .map(({ sentAt, beganAt }) => beganAt - sentAt)
      .sort((a, b) => a - b)
    numbers.set(`${name} count`, waits.length)
    numbers.set(`${name} seconds`, (to - from) / 1_000)
    numbers.set(`${name} p50`, at(waits, 0.5))
    numbers.set(`${name} p99`, at(waits, 0.99))
    numbers.set(`${name} max`, waits.at(-1) ?? Number.NaN)
  }
  const noisy = runs.filter(({ key }) => key === NOISY).map(({ beganAt }) => beganAt)
  numbers.set('noisy ran', noisy.length)
  numbers.set('noisy in ten seconds', most(noisy, 10_000))
  const delays = [...crew.runs.delays.values()].sort((a, b) => b.length - a.length)
  const [longest = []] = delays
  numbers.set('waits', longest.length)
  numbers.set('waited more', delays.filter(({ length }) => length > WAITS).length)
  return longest
}

/** What is left of the flood would wait for more than a day. */
async function purgeLevels({ drillCluster }: Scene): Promise<void> {
  for (let level = 0; level < LEVELS; level++) {
    const queue = `warren.delay.level.${String(level).padStart(2, '0')}`
    await drillCluster.management.request('DELETE', `/queues/%2F/${queue}/contents`).catch(() => undefined)
  }
}

const at = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN

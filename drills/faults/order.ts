/** Messages of many keys in order, while their workers and a node are killed, and one message kills whoever runs it. */
import { setTimeout as delay } from 'node:timers/promises'
import { connect, planOperator, type Warren } from 'warren'
import { Crew } from '../crew.js'
import { CREW_SERVICE, ordered } from '../crewTasks.js'
import type { Drill, Evidence, Scene } from '../drill.js'
import { outOfOrder } from '../orderVerdict.js'
import { AWAY_MS } from './node.js'

const WORKERS = 4
const CONCURRENCY = 10
const KEYS = Array.from({ length: 12 }, (_, n) => `key ${n}`)
/** Each key's next message follows the confirm of the one before it, after this. */
const EVERY_MS = 200
const WORK_MS = 10
const KILLS = 4
const BETWEEN_MS = 3_000
/** So often the poison message is handed out again. */
const DELIVERY_LIMIT = 2
const TIMEOUT_MS = 120_000

interface Line {
  sent: number
  /** The messages that need not run: the poison, and those whose send failed. */
  readonly exempt: Set<number>
}

export const order: Drill = {
  name: 'order',
  does: `Sends messages of ${KEYS.length} keys in order; kills ${KILLS} workers and the node that leads one of the partitions, and one of the messages kills every worker that it meets.`,
  holds:
    'No message begins before the one of its key before it has ended; the poison message is dead-lettered at its limit, and its key goes on.',
  recoverWithinMs: null,
  load: { ratePerQueue: 2 },
  deadLetters: 'allowed',
  async fault(scene) {
    const { drillCluster, mark, hold, until, numbers, defer } = scene
    const { adminUrl: broker, resultsUrl: results, cluster, management } = drillCluster
    const { policies } = planOperator(CREW_SERVICE, [ordered], { [ordered.name]: { deliveryLimit: DELIVERY_LIMIT } })
    for (const { name, pattern, definition } of policies) {
      const policy = { pattern, 'apply-to': 'queues', priority: 10, definition }
      await management.request('PUT', `/policies/%2F/${encodeURIComponent(`drill-${name}`)}`, policy)
    }
    const warren = await connect({ broker, results, logger: false })
    defer(() => warren.close())
    const crew = new Crew(scene, CONCURRENCY)
    await crew.add(WORKERS)
    const lines = new Map<string, Line>(KEYS.map((key) => [key, { sent: 0, exempt: new Set() }]))
    let over = false
    const poison: { id?: string } = {}
    const sending = Promise.all(
      [...lines].map(async ([key, line]) => {
        while (!over) {
          await sendNext(scene, warren, key, line, poison)
          await delay(EVERY_MS)
        }
      }),
    )
    // Its failure is thrown below.
    sending.catch(() => undefined)
    const ran = () => crew.runs.of(ordered.name)
    const met = () => ran().filter(({ id }) => id === poison.id).length
    try {
      await hold(BETWEEN_MS)
      for (let kill = 0; kill < KILLS / 2; kill++) await killOne(scene, crew)
      const queue = `${ordered.name}.${CREW_SERVICE}@0`
      const node = (await management.leaders(queue)).get(queue)?.replace(/@.*$/, '') ?? 'rabbit1'
      mark('fault', `Killed ${node}, which leads ${queue} (SIGKILL)`)
      await cluster.killProcess(node)
      await hold(AWAY_MS)
      await cluster.startProcess(node)
      mark('seen', `${node} is back`)
      for (let kill = 0; kill < KILLS / 2; kill++) await killOne(scene, crew)
      poison.id = 'wanted'
      mark('fault', 'A message that kills every worker it meets')
      const limit = () => (met() > DELIVERY_LIMIT ? undefined : `it was met ${met()} times`)
      await until('the end of the poison message', limit, TIMEOUT_MS)
      mark('repair', 'It has met as many workers as it may')
      await hold(BETWEEN_MS)
    } finally {
      over = true
    }
    await sending
    const missing = (): string[] =>
      [...lines].flatMap(([key, { sent, exempt }]) => {
        const done = new Set(ran().flatMap((run) => (run.key === key && run.finished ? [run.n] : [])))
        return Array.from({ length: sent }, (_, n) => n).flatMap((n) => (done.has(n) || exempt.has(n) ? [] : [key]))
      })
    const all = () => (missing().length === 0 ? undefined : `${missing().length} have not`)
    await until('all messages to have run', all, TIMEOUT_MS)
    const bad = [...lines].flatMap(([key, { exempt }]) =>
      outOfOrder(
        ran().filter((run) => run.key === key),
        exempt,
      ),
    )
    numbers.set('out of order', bad.length)
    numbers.set('ran', ran().length)
    numbers.set(
      'sent',
      [...lines.values()].reduce((sum, { sent }) => sum + sent, 0),
    )
    numbers.set('met', met())
  },
  check({ numbers, ledger }) {
    const bad = numbers.get('out of order') ?? Number.NaN
    const met = numbers.get('met') ?? Number.NaN
    const { deadLettered } = ledger.counts(new Set())
    return [
      ...(bad === 0 ? [] : [`${bad} messages did not run in their order`]),
      ...(met === DELIVERY_LIMIT + 1 ? [] : [`the poison message met ${met} workers, for ${DELIVERY_LIMIT + 1}`]),
      ...(deadLettered === 1 ? [] : [`${deadLettered} messages were dead-lettered, for the poison message alone`]),
    ]
  },
  tell: ({ numbers }: Evidence) => [
    `${numbers.get('sent')} messages of ${KEYS.length} keys, ${numbers.get('ran')} runs, ${numbers.get('out of order')} of them out of order. The poison message met ${numbers.get('met')} workers.`,
  ],
}

/** Sends the next message of a key, and waits for its confirm: only so it has an order. */
async function sendNext(scene: Scene, warren: Warren, key: string, line: Line, poison: { id?: string }): Promise<void> {
  const { ledger } = scene
  const n = line.sent++
  const poisonous = poison.id === 'wanted'
  if (poisonous) {
    poison.id = 'being sent'
    line.exempt.add(n)
  }
  ledger.sent()
  try {
    const fault = poisonous ? { fault: 'exit' as const } : {}
    const { id } = await warren.send(ordered, { key, n, workMs: WORK_MS, sentAt: Date.now(), ...fault })
    if (poisonous) poison.id = id
    ledger.confirmed(id, 'payment')
  } catch (error) {
    line.exempt.add(n)
    ledger.refused(undefined, 'payment', error instanceof Error && 'code' in error ? String(error.code) : 'ERROR')
  }
}

async function killOne({ hold }: Scene, crew: Crew): Promise<void> {
  const [first] = crew.names
  if (first !== undefined) await crew.kill(first)
  await crew.add(1)
  await hold(BETWEEN_MS)
}

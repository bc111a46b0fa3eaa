/** Thousands of cancels, each in a race with the success of its task, while a worker is killed. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Cancellation, connect, type Warren } from 'warren'
import { invoiceInput } from '../../demo/payloads.js'
import { createInvoice } from '../../demo/tasks.js'
import type { Drill } from '../drill.js'

const RACES = 10_000
const VICTIM = 'worker-2'
/** How many run at the same time. */
const AT_ONCE = 50
const TASK_SECONDS = 0.005
/** A cancel follows its send after up to this time, at random: some come before the task starts, some after its end. */
const SPREAD_MS = 60
const RESULT_MS = 60_000
const TIMEOUT_MS = 300_000

interface Race {
  readonly id: string
  readonly told: Cancellation['outcome']
  /** The state that the store keeps in the end. */
  readonly ended: string
}

export const cancelRace: Drill = {
  name: 'cancel-race',
  does: `Sends ${RACES.toLocaleString('en-US')} payments and cancels each within ${SPREAD_MS} ms; kills a worker (SIGKILL) at the same time.`,
  holds: 'Each caller was told the truth: cancelled tasks did not succeed, and finished ones did.',
  recoverWithinMs: null,
  load: { ratePerQueue: 20 },
  async fault({ drillCluster, ledger, mark, until, defer, numbers, signal }) {
    const { adminUrl: broker, resultsUrl: results } = drillCluster
    const warren = await connect({ broker, results, logger: false })
    defer(() => warren.close())
    const races: Race[] = []
    let begun = 0
    const runners = Array.from({ length: AT_ONCE }, async () => {
      while (begun++ < RACES && !signal.aborted) {
        ledger.sent()
        const each = await race(warren)
        // Of a cancelled one the caller knows that it has no result.
        if (each.told === 'finished') ledger.confirmed(each.id, 'payment')
        else ledger.refused(each.id, 'payment', 'CANCELLED')
        races.push(each)
      }
    })
    const all = Promise.all(runners)
    // Its failure is thrown below; meanwhile it must not end the process.
    all.catch(() => undefined)
    const enough = (count: number) => () => (races.length < count ? `${races.length} of them are over` : undefined)
    await until('half of the races', enough(RACES / 2), TIMEOUT_MS)
    mark('fault', `Killed ${VICTIM} (SIGKILL) after ${races.length} races`)
    await drillCluster.cluster.killProcess(VICTIM)
    await drillCluster.cluster.startProcess(VICTIM)
    mark('repair', `${VICTIM} is back`)
    await until('all races', enough(RACES), TIMEOUT_MS)
    await all
    const count = (told: Race['told'], ended: string): number =>
      races.filter((each) => each.told === told && each.ended === ended).length
    numbers.set('races', races.length)
    numbers.set('cancelled', count('cancelled', 'REVOKED'))
    numbers.set('finished', count('finished', 'SUCCESS'))
  },
  check({ numbers }) {
    const [races = 0, cancelled = 0, finished = 0] = ['races', 'cancelled', 'finished'].map((key) => numbers.get(key))
    const differing = races - cancelled - finished
    return [
      ...(differing === 0
        ? []
        : [`in ${differing} of ${races} races the caller was told something that did not happen`]),
      ...(cancelled > 0 && finished > 0 ? [] : ['one side won all races, so that they show nothing']),
    ]
  },
  tell: ({ numbers }) => [
    `Of ${numbers.get('races') ?? 0} cancels ${numbers.get('cancelled') ?? 0} were in time, and ${numbers.get('finished') ?? 0} found the task finished.`,
  ],
}

async function race(warren: Warren): Promise<Race> {
  const handle = await warren.send(createInvoice, invoiceInput(0, TASK_SECONDS))
  await delay(Math.random() * SPREAD_MS)
  const { outcome } = await handle.cancel()
  await handle.result({ timeoutMs: RESULT_MS }).catch(() => undefined)
  // A worker that was running it may still store what it made of it.
  await delay(SPREAD_MS)
  return { id: handle.id, told: outcome, ended: (await handle.state())?.status ?? 'none' }
}

/** A schedule whose workers are killed at every step of a tick, again and again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { connect } from 'warren'
import { repositoryRoot } from '../../cluster/index.js'
import { invoiceInput } from '../../demo/payloads.js'
import { createInvoice } from '../../demo/tasks.js'
import type { Drill } from '../drill.js'

const SERVICE = 'drill-ticks'
/** Before a visit is claimed, and after each of its five steps. */
const STEPS = [0, 1, 2, 3, 4, 5]
const ROUNDS = 2
const EVERY_MS = 1_000
const TIMEOUT_MS = 90_000

export const schedule: Drill = {
  name: 'schedule',
  does: `Kills the worker that processes a schedule's tick (SIGKILL) at every step, ${ROUNDS} times each.`,
  holds: 'Each tick of the schedule runs once.',
  recoverWithinMs: null,
  async fault({ drillCluster, ledger, mark, until, defer, numbers }) {
    const { adminUrl: broker, resultsUrl: results } = drillCluster
    const warren = await connect({ broker, results, logger: false })
    defer(() => warren.close())
    const schedules = warren.schedules({ service: SERVICE })
    const id = `drill-${Date.now()}`
    defer(() => schedules.remove(id))
    const begun = await schedules.upsert(id, {
      ...{ task: createInvoice, input: invoiceInput(0, 0.01), everyMs: EVERY_MS, catchUp: 'all' },
    })
    const start = (step: number | 'none'): ChildProcess => {
      const script = join(repositoryRoot(), 'dist', 'drills', 'tickVictim.js')
      const child = spawn(process.execPath, [script, broker, results, SERVICE, String(step)], { stdio: 'ignore' })
      defer(() => child.kill('SIGKILL'))
      return child
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const step of STEPS) {
        const victim = start(step)
        const ended = once(victim, 'exit')
        await until(`the end of a worker at step ${step}`, () => dead(victim), TIMEOUT_MS)
        await ended
      }
      mark('fault', `Killed a worker at each step of a tick, round ${round + 1} of ${ROUNDS}`)
    }
    const killedAt = Date.now()
    start('none')
    mark('repair', 'A worker that lives looks after the schedule')
    const sentTo = async (): Promise<number> => (await schedules.get(id))?.last?.tick.getTime() ?? 0
    const caughtUp = async () => ((await sentTo()) > killedAt ? undefined : 'not all ticks are sent')
    await until('the ticks of that time', caughtUp, TIMEOUT_MS)
    // Paused, it keeps what it has sent.
    await schedules.pause(id)
    const last = await sentTo()
    for (let tick = (begun.next as Date).getTime(); tick <= last; tick += EVERY_MS) {
      const taskId = schedules.taskId(id, new Date(tick))
      ledger.sent()
      ledger.confirmed(taskId, 'payment')
      ledger.note(taskId, 'payment')
    }
    numbers.set('kills', ROUNDS * STEPS.length)
    const missing = () => ledger.noted().filter(([each]) => ledger.runsOf(each) === 0).length
    // What is still missing then is lost, in the ledger's words.
    await until('all ticks run', () => (missing() === 0 ? undefined : `${missing()} are not`), 30_000).catch(
      () => undefined,
    )
  },
  check({ ledger }) {
    const twice = ledger.noted().filter(([id]) => ledger.runsOf(id) > 1)
    return twice.length === 0 ? [] : [`${twice.length} ticks were run more than once`]
  },
  tell: ({ ledger, numbers }) => [
    `${numbers.get('kills') ?? 0} workers were killed; ${ledger.noted().length} ticks were due, and each has its own task.`,
  ],
}

const dead = ({ exitCode, signalCode }: ChildProcess): string | undefined =>
  exitCode === null && signalCode === null ? 'it lives' : undefined

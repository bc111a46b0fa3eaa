/** A worker of a storm: the demo's, which also takes the storm's tasks. An argument names the sabotage, if any. */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Worker } from 'warren'
import { addHandlers } from '../../demo/handlers.js'
import { runWorker } from '../../demo/worker.js'
import { acknowledgeEarly, overwriteResults } from './sabotage.js'
import { stormTasks } from './tasks.js'

const [, , sabotage] = process.argv
if (sabotage === 'early-ack') acknowledgeEarly()

process.exit(
  await runWorker(process.env, (worker, name) => {
    addHandlers(worker, name)
    addStormHandlers(worker)
    if (sabotage === 'no-fencing') overwriteResults(worker, process.env.WARREN_RESULTS ?? '')
  }),
)

function addStormHandlers(worker: Worker): void {
  for (const task of [stormTasks.user, stormTasks.payment]) {
    worker.handle(task, async ({ does, ms, until = 0 }, { number, signal }) => {
      if (does === 'exit') process.kill(process.pid, 'SIGKILL')
      await wait(ms, undefined, { signal })
      if (does === 'retry' && number < 3) throw new Error(`told to fail at attempt ${number}`)
      if (does === 'failUntil' && Date.now() < until) throw new Error('told to fail for a while')
      return { run: randomUUID() }
    })
  }
}

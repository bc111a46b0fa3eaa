/**
 * A worker process of a crew: it says on stdout, a line of JSON each, what it runs. Arguments: broker address,
 * result store address, how many at a time. With `flood` and a number in the place of that, it sends so many messages of one
 * key instead, and ends; with an empty address of the store, as a sender that has none.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Task, type TaskInput } from 'warren'
import type { CrewLine } from './crewRuns.js'
import { CREW_SERVICE, keyed, NOISY, ordered, paced, placed } from './crewTasks.js'

const [broker = '', results = '', concurrency = '', flood = ''] = process.argv.slice(2)
// A pipe is written at once, so that what was said is known of a killed process, too.
const say = (line: CrewLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const store = results === '' ? {} : { results }
const warren = await connect({ broker, ...store, name: 'crew of a drill', logger: false })
if (concurrency === 'flood') await sendFlood(Number(flood))
else await work(Number(concurrency))

async function sendFlood(count: number): Promise<void> {
  function* inputs(): Generator<TaskInput<typeof keyed>> {
    for (let n = 0; n < count; n++) yield { key: NOISY, n, workMs: 0, sentAt: Date.now() }
  }
  await warren.sendMany(keyed, inputs())
  await warren.close()
}

async function work(atOnce: number): Promise<void> {
  const worker = warren.worker({ service: CREW_SERVICE, concurrency: atOnce })
  const handle = (task: typeof paced): void => {
    worker.handle(task, async ({ key, n, workMs, sentAt, fault }, { id, fence }) => {
      say({ event: 'began', id, task: task.name, key, n, fence, sentAt, at: Date.now() })
      if (fault === 'exit') process.kill(process.pid, 'SIGKILL')
      await delay(workMs)
      say({ event: 'ended', id, at: Date.now() })
    })
  }
  for (const task of [paced, placed, keyed, ordered]) handle(task satisfies Task as typeof paced)
  worker.on('limited', ({ id, action, key, waitMs = 0 }) => {
    if (action === 'delayed') say({ event: 'delayed', id, key, waitMs })
  })
  await worker.start()
  say({ event: 'ready' })
}

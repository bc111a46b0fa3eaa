/**
 * A worker process that looks after schedules and nothing else, and kills itself at a step of its first tick. Arguments:
 * broker address, result store address, service, step (`src/time/ticker.ts`), or `none` to live.
 */
import { subscribe } from 'node:diagnostics_channel'
import { connect, defineTask } from 'warren'
import { z } from 'zod'

const [broker = '', results = '', service = '', step = 'none'] = process.argv.slice(2)
subscribe('warren:tick', (tick) => {
  if (String((tick as { step: number }).step) === step) process.kill(process.pid, 'SIGKILL')
})
const warren = await connect({ broker, results, name: 'tick victim', logger: false })
// A worker handles something; nobody sends this.
const idle = defineTask({ name: 'payment.drill.idle', input: z.object({}) })
await warren
  .worker({ service })
  .handle(idle, () => undefined)
  .start()

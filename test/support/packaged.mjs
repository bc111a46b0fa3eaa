// What an application does with an installed Warren, in one file, so that it can be bundled: sends one task, handles it,
// and prints what came of it as one JSON object. Addresses come from the environment.
import { connect, defineTask, OptionsError, serveWorker, WarrenError } from 'warren'

const anything = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
const add = defineTask({ name: 'packaged.number.add', input: anything })
const isolated = defineTask({ name: 'packaged.number.divide', input: anything })

async function main() {
  const { WARREN_BROKER, WARREN_RESULTS } = process.env
  const warren = await connect({ broker: WARREN_BROKER, results: WARREN_RESULTS })
  const worker = warren.worker({ service: 'packaged' })
  worker.handle(add, async ({ a, b }) => a + b)
  const said = {}
  try {
    warren.worker({ service: 'other' }).handle(isolated, { module: `file://${process.argv[1]}`, isolation: 'thread' })
  } catch (error) {
    if (error instanceof OptionsError && error instanceof WarrenError)
      said.isolation = `${error.name}: ${error.message}`
  }
  await worker.start()
  const handle = await warren.send(add, { a: 19, b: 23 })
  said.sum = await handle.result({ timeoutMs: 10_000 })
  const server = await serveWorker(worker, { port: 0 })
  const metrics = await fetch(`${server.url}/metrics`)
  said.metrics = `${metrics.status} ${await metrics.text()}`.split('\n', 1)[0]
  said.health = (await fetch(`${server.url}/healthz`)).status
  await server.close()
  await warren.close()
  process.stdout.write(`${JSON.stringify(said)}\n`)
}

void main()

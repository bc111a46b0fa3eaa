/**
 * `npm run fuzz -- --seed N --messages N`: starts a cluster of its own, sends it generated messages, and says how they ended.
 * Exits 0 when nothing broke, 1 when something did, 2 when it was called wrongly.
 */
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { definitions, joinPlans, planDelays, planOperator, textOf } from 'warren'
import { Cluster, freePortBlock } from '../cluster/index.js'
import { onStopSignals } from '../demo/stopSignals.js'
import { fuzzMessages, fuzzResults, fuzzTasks, SERVICE } from './index.js'

const HELP = `npm run fuzz -- [--seed N] [--messages N] [--batch N] [--dir DIR]

Sends generated messages to a live worker on a cluster of its own, puts generated results before a live producer, and checks that no connection is lost, that each
message ends by name and that its neighbours are unharmed. What breaks is shrunk.

  --seed N      which messages (default: 1); the same number makes the same ones
  --messages N  how many (default: 20000)
  --batch N     how many are sent together (default: 1000)
  --dir DIR     folder of the cluster (default: .warren-fuzz)
`

/** Each waits a while for an end that may not come. */
const MAX_RESULTS = 5_000

process.exit(await main(process.argv.slice(2)))

async function main(words: string[]): Promise<number> {
  const options = read(words)
  if (typeof options === 'string') {
    process.stderr.write(`fuzz: ${options}; see npm run fuzz -- --help\n`)
    return 2
  }
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  const { base, amqp, edge } = await freePortBlock()
  rmSync(resolve(options.dir), { recursive: true, force: true })
  const cluster = new Cluster({
    ...{ dir: options.dir, workers: 0, portBase: base, amqpPort: amqp, edgePort: edge, prometheus: false },
  })
  onStopSignals(
    () => void cluster.stop().finally(() => process.exit(1)),
    () => process.exit(1),
  )
  const strays: string[] = []
  process.on('unhandledRejection', (reason) => strays.push(`unhandled rejection: ${textOf(reason)}`))
  process.on('uncaughtException', (error) => strays.push(`uncaught exception: ${error.stack ?? textOf(error)}`))
  const say = (line: string): void => void process.stdout.write(`${new Date().toISOString().slice(11, 19)}  ${line}\n`)
  try {
    say('starting three nodes, HAProxy and the store')
    await cluster.start()
    await loadTopology(cluster)
    const broker = cluster.brokerUrl('admin')
    const of = { broker, results: cluster.addresses.results, seed: options.seed }
    const messages = await fuzzMessages({ ...of, messages: options.messages, batch: options.batch, say })
    const results = await fuzzResults({ ...of, count: Math.min(options.messages, MAX_RESULTS) })
    for (const [what, { sent, endings }] of Object.entries({ messages, results })) {
      say(`${sent} ${what} of seed ${options.seed}:`)
      for (const [ending, count] of [...endings].sort(([, one], [, other]) => other - one)) {
        say(`${String(count).padStart(9)}  ${ending}`)
      }
    }
    const problems = [...messages.problems, ...results.problems]
    const least = messages.least ?? results.least
    const broken = [...problems, ...strays]
    for (const problem of broken) say(`BROKEN: ${problem}`)
    if (least !== undefined) say(`the least that breaks it:\n${least}`)
    say(broken.length === 0 ? 'nothing broke' : 'FAILED')
    return broken.length === 0 ? 0 : 1
  } finally {
    await cluster.stop()
  }
}

async function loadTopology(cluster: Cluster): Promise<void> {
  const [address] = cluster.addresses.management.nodes
  const response = await fetch(`${address}/api/definitions`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${btoa(`admin:${cluster.passwords.admin}`)}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(definitions(joinPlans(planOperator(SERVICE, fuzzTasks), planDelays()), [])),
  })
  if (!response.ok) throw new Error(`RabbitMQ refused the topology: ${await response.text()}`)
}

function read(words: string[]) {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        ...{ seed: { type: 'string', default: '1' }, messages: { type: 'string', default: '20000' } },
        ...{ batch: { type: 'string', default: '1000' }, dir: { type: 'string', default: '.warren-fuzz' } },
        help: { type: 'boolean', default: false },
      },
    })
    const number = (name: 'seed' | 'messages' | 'batch'): number => {
      const value = Number(values[name])
      if (Number.isSafeInteger(value) && value >= (name === 'seed' ? 0 : 1)) return value
      throw new Error(`expected --${name} to be a whole number, got: ${values[name]}`)
    }
    return { ...values, seed: number('seed'), messages: number('messages'), batch: number('batch') }
  } catch (error) {
    return textOf(error)
  }
}

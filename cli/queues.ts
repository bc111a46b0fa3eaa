/** `warren queues`: how many tasks wait, run, are delayed and are dead, for each queue. */
import { type Command, Option } from 'commander'
import { number, type Servers, serversOf } from './dlqQueues.js'
import { Failure } from './failure.js'
import type { Output, Verdict } from './output.js'
import { jsonLine, printable } from './printable.js'
import { type Counts, type QueueCounts, queueCounts } from './queueCounts.js'
import { dirOption } from './running.js'
import { table } from './table.js'

interface QueuesOptions {
  readonly dir?: string
  readonly broker?: string
  readonly management?: string
  readonly dead?: boolean
  readonly json?: true
}

export interface QueueRow {
  readonly queue: string
  readonly state: string | null
  readonly ready: number | null
  readonly running: number | null
  readonly delayed: number | null
  readonly dead: number | null
}

export function addQueues(program: Command, output: Output, _verdict: Verdict): void {
  program
    .command('queues')
    .description('show how many tasks are ready, running, delayed and dead, for each queue')
    .addOption(dirOption())
    .option('--broker <url>', 'broker address, several separated by commas (default: WARREN_BROKER, or the cluster)')
    .option(
      '--management <url>',
      "RabbitMQ's management API (default: WARREN_MANAGEMENT, the cluster's, or port 15672 of the broker)",
    )
    .addOption(new Option('--dead', 'search all dead letters, however many, to count those of each queue'))
    .addOption(new Option('--no-dead', 'do not search dead letters'))
    .option('--json', 'print one JSON object a line')
    .addHelpText(
      'after',
      `
Counts are RabbitMQ's, up to five seconds old. "?" (null with --json) is an unknown count. "Running" means delivered
to a worker and not acknowledged. RabbitMQ does not report to which queue a delayed message or a dead letter belongs. Delayed
messages are shown as a total; dead letters are searched as with "warren dlq list", if a dead-letter queue has at most
${number(MAX_LOOKED)} of them.

Exit code: 1 if the management API does not answer.

Examples:
  warren queues
  warren queues --no-dead --json | jq -r 'select(.event == "queue" and .ready > 1000).queue'`,
    )
    .action((options: QueuesOptions) => queues(options, output))
}

/** How many dead letters are searched without `--dead`. */
const MAX_LOOKED = 1_000

async function queues(options: QueuesOptions, { out, err }: Output): Promise<void> {
  const { textOf } = await import('warren')
  const servers = await serversOf(options)
  const counts = await queueCounts(servers.management, servers.vhost).catch((cause: unknown) => {
    throw new Failure(
      `RabbitMQ's management API did not answer (${textOf(cause)}), which is the only source for all queues; pass --management`,
      { cause },
    )
  })
  const dead = await deadByQueue(servers, counts, options.dead).catch((error: unknown) => {
    err(`warren queues: dead letters could not be searched: ${printable(textOf(error))}\n`)
    return new Map<string, ReadonlyMap<string, number>>()
  })
  const rows = counts.queues.map((queue) => rowOf(queue, counts, dead))
  out(options.json ? json(rows, counts) : text(rows, counts))
}

/** For each searched dead-letter queue: how many messages of each queue died. */
async function deadByQueue(
  servers: Servers,
  counts: Counts,
  look: boolean | undefined,
): Promise<ReadonlyMap<string, ReadonlyMap<string, number>>> {
  const found = new Map<string, ReadonlyMap<string, number>>()
  const some = [...counts.dead].filter(([, count]) => count !== undefined && count > 0 && (look || count <= MAX_LOOKED))
  if (look === false || some.length === 0) return found
  const { connect } = await import('warren')
  const warren = await connect({ broker: servers.broker, name: 'warren queues', logger: false })
  try {
    for (const [queue] of some) {
      const by = new Map<string, number>()
      for await (const letter of warren.deadLetters({ queue }).list()) {
        const died = letter.queue ?? ''
        by.set(died, (by.get(died) ?? 0) + 1)
      }
      found.set(queue, by)
    }
  } finally {
    await warren.close()
  }
  return found
}

export function rowOf(
  { name, state, ready, running, deadLetterQueues }: QueueCounts,
  { queues: all, delayed, dead }: Counts,
  byQueue: ReadonlyMap<string, ReadonlyMap<string, number>>,
): QueueRow {
  const counted = deadLetterQueues.map((queue) =>
    dead.get(queue) === 0 ? 0 : byQueue.has(queue) ? (byQueue.get(queue)?.get(name) ?? 0) : undefined,
  )
  return {
    queue: name,
    state: state ?? null,
    ready: ready ?? null,
    running: running ?? null,
    // If there is only one queue, they belong to it.
    delayed: delayed === 0 || all.length === 1 ? (delayed ?? null) : null,
    dead: counted.includes(undefined) ? null : counted.reduce<number>((sum, count) => sum + (count ?? 0), 0),
  }
}

export function json(rows: readonly QueueRow[], { delayed, unroutable, dead }: Counts): string {
  return [
    ...rows.map((row) => jsonLine({ event: 'queue', ...row })),
    ...[...dead].map(([queue, count]) => jsonLine({ event: 'deadLetters', queue, dead: count ?? null })),
    jsonLine({ event: 'delayed', delayed: delayed ?? null, unroutable: unroutable ?? null }),
  ].join('')
}

export function text(rows: readonly QueueRow[], { delayed, unroutable, dead }: Counts): string {
  const shown = (count: number | null | undefined): string =>
    count === null || count === undefined ? '?' : number(count)
  const lines = rows.map(({ queue, state, ready, running, delayed: late, dead: died }) => [
    printable(queue),
    shown(ready),
    shown(running),
    shown(late),
    shown(died),
    state === null || state === 'running' ? '' : printable(state),
  ])
  const deaths = [...dead].map(([queue, count]) => `${printable(queue)}: ${shown(count)} dead\n`)
  return [
    rows.length === 0
      ? 'No queue is bound to a commands exchange in this virtual host.\n'
      : table(['QUEUE', 'READY', 'RUNNING', 'DELAYED', 'DEAD', ''], lines),
    '\n',
    `delayed in total: ${shown(delayed)}\n`,
    ...(unroutable === undefined || unroutable === 0
      ? []
      : [`due, but not taken by any queue: ${shown(unroutable)}\n`]),
    ...deaths,
  ].join('')
}

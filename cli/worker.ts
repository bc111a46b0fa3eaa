/** `warren worker`: runs another demo worker in this terminal. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Output, Verdict } from './output.js'
import { dirOption } from './running.js'

export function addWorker(program: Command, _output: Output, verdict: Verdict): void {
  program
    .command('worker')
    .description('run a demo worker here, against the running cluster, until Ctrl-C')
    .addOption(dirOption())
    .option(
      '--broker <url>',
      'broker address, several separated by commas (default: WARREN_BROKER, or the running cluster)',
    )
    .option('--results <url>', 'result store address (default: WARREN_RESULTS, or the running cluster)')
    .option('--name <name>', "the worker's name (default: WARREN_WORKER_NAME, or host and process id)")
    .option(
      '--concurrency <n>',
      'how many tasks to run at the same time (default: WARREN_CONCURRENCY, or 1)',
      taskCount,
    )
    .option('--quorum', 'expect the user queue to be a quorum queue, as quorum.env does')
    .addHelpText(
      'after',
      `
Logs JSON lines to stdout. The first Ctrl-C finishes the messages that the worker holds and exits; the second exits at once.

Examples:
  warren worker                        one task at a time
  warren worker --concurrency 10       ten tasks at a time`,
    )
    .action(async (options: WorkerCommandOptions) => {
      if (options.quorum) process.env.WARREN_USER_QUEUE_TYPE = 'quorum'
      const { runWorker } = await import('../demo/worker.js')
      const { runningAddresses } = await import('./running.js')
      const env = { ...process.env }
      if (options.broker) env.WARREN_BROKER = options.broker
      if (options.results) env.WARREN_RESULTS = options.results
      if (options.name) env.WARREN_WORKER_NAME = options.name
      if (options.concurrency) env.WARREN_CONCURRENCY = options.concurrency
      if (!env.WARREN_BROKER || !env.WARREN_RESULTS) {
        const { broker, results } = await runningAddresses('worker', options.dir)
        env.WARREN_BROKER ||= broker.join(',')
        env.WARREN_RESULTS ||= results
      }
      verdict(await runWorker(env))
    })
}

function taskCount(word: string): string {
  if (/^[1-9]\d{0,4}$/.test(word) && Number(word) <= 10_000) return word
  throw new InvalidArgumentError(`expected a whole number from 1 to 10000, got: ${word}`)
}

interface WorkerCommandOptions {
  readonly dir?: string
  readonly broker?: string
  readonly results?: string
  readonly name?: string
  readonly concurrency?: string
  readonly quorum?: true
}

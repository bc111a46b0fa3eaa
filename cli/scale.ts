/** `warren scale worker=N`: more or fewer workers, while tasks run. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Output, Verdict } from './output.js'
import { dirOption, folderOf } from './running.js'

/** The maximum that the port plan allows. The cluster checks it again. */
const MOST = 149

export function addScale(program: Command, { out }: Output, _verdict: Verdict): void {
  program
    .command('scale')
    .description('start or drain workers until there are N of them')
    .argument('<worker=N>', `how many workers to run, 0 to ${MOST}`, parseScale)
    .addOption(dirOption())
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Waits until new workers are ready, and until removed ones have finished the messages they held.

Examples:
  warren scale worker=10
  warren scale worker=3`,
    )
    .action(async (workers: number, options: { dir?: string; json?: true }) => {
      const { readStatus, scaleWorkers } = await import('../cluster/index.js')
      const dir = folderOf(options.dir)
      const count = (status: Awaited<ReturnType<typeof readStatus>>) =>
        status.processes.filter(({ kind, state }) => kind === 'worker' && state !== 'stopped').length
      const from = count(await readStatus(dir))
      const to = count(await scaleWorkers(dir, workers))
      out(options.json ? `${JSON.stringify({ event: 'scaled', from, to })}\n` : `worker: ${from} → ${to}\n`)
    })
}

export function parseScale(word: string): number {
  const digits = /^workers?=(\d{1,6})$/.exec(word)?.[1]
  const workers = Number(digits)
  if (digits !== undefined && workers <= MOST) return workers
  throw new InvalidArgumentError(`expected worker=N with N from 0 to ${MOST}, got: ${word}`)
}

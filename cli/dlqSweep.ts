/** `warren dlq redrive` and `purge`. */
import { createInterface } from 'node:readline/promises'
import type { DeadLetterFilter, DeadLetters, RedriveSummary, SweepProgress, SweepSummary } from 'warren'
import { onStopSignals } from '../demo/stopSignals.js'
import { type FilterOptions, filterOf, number, onEach } from './dlqQueues.js'
import { Failure } from './failure.js'
import type { Output } from './output.js'
import { jsonLine, printable } from './printable.js'

export interface SweepOptions extends FilterOptions {
  readonly limit?: number
  readonly rate?: number
  readonly toQueue?: true
  readonly dryRun?: true
  readonly yes?: true
}

export async function sweep(verb: 'redrive' | 'purge', options: SweepOptions, output: Output): Promise<number> {
  const { domain, queue, limit, rate, dryRun, json, yes, toQueue } = options
  if (domain === undefined && queue === undefined) {
    throw new Failure('expected --domain or --queue, got neither', { exitCode: 2 })
  }
  const filter = filterOf(options)
  const sure = dryRun || yes || (verb === 'redrive' && Object.keys(filter).length > 0)
  if (!sure && process.stdin.isTTY !== true) {
    throw new Failure('expected --yes, because there is no terminal to confirm on; --dry-run prints what it would do', {
      exitCode: 2,
    })
  }
  const { Progress } = await import('../demo/progress.js')
  const interrupt = new AbortController()
  // The broker takes back the messages of a process that has exited.
  const offSignals = onStopSignals(
    () => interrupt.abort(),
    () => process.exit(1),
  )
  let code = 0
  try {
    await onEach(options, async (letters) => {
      if (!sure && !(await agreed(verb, letters, filter, limit))) {
        code = 1
        return
      }
      const bar = new Progress(json ? { write: () => undefined } : process.stderr)
      const say = json ? jsonProgress(letters.queue, output) : barProgress(verb, bar)
      const common = {
        ...(limit === undefined ? {} : { limit }),
        ...(dryRun ? { dryRun } : {}),
        signal: interrupt.signal,
        onProgress: say,
      }
      const summary =
        verb === 'purge'
          ? await letters.purge(filter, common)
          : await letters.redrive(filter, {
              ...common,
              ...(rate === undefined ? {} : { rate }),
              to: toQueue ? 'queue' : 'origin',
            })
      bar.clear()
      output.out(json ? jsonLine({ event: verb, ...summary }) : sweepText(verb, summary))
      if (summary.kept > 0 || summary.stopped === 'aborted') code = 1
    })
  } finally {
    offSignals()
  }
  return code
}

async function agreed(
  verb: 'redrive' | 'purge',
  letters: DeadLetters,
  filter: DeadLetterFilter,
  limit = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  const { matched } = await letters.purge(filter, { dryRun: true })
  const count = Math.min(matched, limit)
  if (count === 0) return true
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const what = verb === 'purge' ? 'Remove' : 'Send back'
  const question = `${what} ${number(count)} dead letter${count === 1 ? '' : 's'} of ${letters.queue}? [y/N] `
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim())
  } finally {
    terminal.close()
  }
}

const PROGRESS_MS = 200

function jsonProgress(queue: string, { out }: Output): (progress: SweepProgress) => void {
  let last = Date.now()
  return (progress) => {
    if (Date.now() - last < PROGRESS_MS) return
    last = Date.now()
    out(jsonLine({ event: 'progress', queue, ...progress }))
  }
}

const barProgress =
  (
    verb: 'redrive' | 'purge',
    bar: { update(counts: { label: string; done: number; total: number; note: string }): void },
  ) =>
  ({ total, scanned, done, kept }: SweepProgress): void =>
    bar.update({
      label: 'Dead letters',
      done: scanned,
      total,
      note: `${number(done)} ${verb === 'purge' ? 'removed' : 'sent back'}${kept > 0 ? `, ${number(kept)} kept` : ''}`,
    })

export function sweepText(verb: 'redrive' | 'purge', summary: SweepSummary | RedriveSummary): string {
  const { queue, total, done, kept, matched, stopped, dryRun } = summary
  const does = verb === 'purge' ? ['removed', 'would be removed'] : ['sent back', 'would be sent back']
  const count = dryRun ? matched - kept : done
  const lines = [`${queue}: ${number(count)} of ${number(total)} dead letters ${does[dryRun ? 1 : 0]}`]
  if (stopped === 'aborted') lines[0] += '; interrupted, the rest stays'
  if ('destinations' in summary) {
    for (const { exchange, routingKey, count } of summary.destinations) {
      lines.push(`  ${number(count)} to ${exchange || '(default exchange)'} → ${routingKey}`)
    }
    if (kept > 0) lines.push(`  ${number(kept)} cannot be sent back and stay${kept === 1 ? 's' : ''}:`)
    for (const { message, count, ids } of summary.problems) {
      const others = count > ids.length ? ` and ${number(count - ids.length)} more` : ''
      lines.push(`    ${message}`, `      ${ids.join(', ')}${others}`)
    }
  }
  return `${lines.map(printable).join('\n')}\n`
}

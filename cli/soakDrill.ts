/** `warren drill soak`: steady work for an hour, with a restart now and then, and nothing may grow. */
import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { onStopSignals } from '../demo/stopSignals.js'
import type { SoakOutcome } from '../drills/index.js'
import { Failure } from './failure.js'
import type { Output, Verdict } from './output.js'
import { whole } from './stormDrill.js'
import { table } from './table.js'

interface SoakChoice {
  readonly minutes: number
  readonly rate: number
  readonly dir: string
  readonly report?: string
  readonly json?: true
}

export function addSoak(drill: Command, output: Output, verdict: Verdict): void {
  drill
    .command('soak')
    .description('run steady work for an hour, with occasional restarts: nothing may grow')
    .option('--minutes <n>', 'how long the work lasts', whole(4, 10_080), 60)
    .option('--rate <n>', 'tasks a second, of all kinds', whole(1, 1_000), 40)
    .option('--report <file>', 'write one HTML page with a chart of everything that was sampled')
    .option('--dir <dir>', "folder of the soak's own cluster", '.warren-drill')
    .option('--json', 'print one JSON object; progress goes to stderr')
    .addHelpText(
      'after',
      '\nExamples:\n  warren drill soak --report soak.html\n  warren drill soak --minutes 8 --json    a short one: quarters of two minutes',
    )
    .action(async (choice: SoakChoice) => verdict(await soak(choice, output)))
}

async function soak(choice: SoakChoice, { out, err }: Output): Promise<number> {
  const { runSoak, soakPage } = await import('../drills/index.js')
  const { minutes, rate, dir, json, report } = choice
  const say = (line: string) => (json ? err : out)(`${line}\n`)
  const interrupt = new AbortController()
  const leave = onStopSignals(
    () => {
      say('\nEnding the soak and stopping everything that was started')
      interrupt.abort(new Failure('interrupted'))
    },
    () => undefined,
  )
  try {
    const outcome = await runSoak({ minutes, ratePerSecond: rate, dir, signal: interrupt.signal, say })
    if (report !== undefined) {
      writeFileSync(report, soakPage(outcome))
      say(`Report: ${report}`)
    }
    out(json ? `${JSON.stringify({ event: 'soak', ...outcome })}\n` : await soakText(outcome))
    return outcome.verdict === 'passed' ? 0 : 1
  } catch (error) {
    if (!interrupt.signal.aborted) throw error
    say('Interrupted; everything that was started here has stopped')
    return 1
  } finally {
    leave()
  }
}

async function soakText({ verdict, reasons, minutes, rabbitmqVersion, tasks, comparisons, restarts }: SoakOutcome) {
  const { SERIES, valueText } = await import('../drills/index.js')
  const rows = comparisons.map(({ name, second, last, change }) => [
    SERIES[name].title,
    valueText(name, second),
    valueText(name, last),
    Number.isFinite(change) ? `${(change * 100).toFixed(1)} %` : '',
  ])
  return [
    table(['WHAT', 'SECOND QUARTER', 'LAST QUARTER', 'CHANGE'], rows),
    `\n${verdict.toUpperCase()}: ${minutes} minutes on RabbitMQ ${rabbitmqVersion}, ${restarts.length} restarts; ${tasks.sent} tasks sent, ${tasks.ended} ended, ${tasks.failed} failed\n`,
    ...reasons.map((reason) => `  BROKEN: ${reason}\n`),
  ].join('')
}

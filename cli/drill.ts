/**
 * `warren drill list|run|all|storm|soak`: break a cluster on purpose, and verify with a ledger that nothing was lost.
 *
 * It runs on its own cluster. Ctrl-C ends the drill and stops everything that it started.
 */
import { writeFileSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { onStopSignals } from '../demo/stopSignals.js'
import type { Drill, DrillOutcome } from '../drills/index.js'
import { Failure } from './failure.js'
import type { Output, Verdict } from './output.js'
import { addSoak } from './soakDrill.js'
import { addStorm } from './stormDrill.js'
import { table } from './table.js'

interface DrillOptions {
  readonly json?: true
  readonly report?: string
  readonly repeat?: number
  readonly dir?: string
  readonly broker?: string
  readonly results?: string
  readonly packs?: true
  readonly sabotage?: 'early-ack' | 'no-confirms' | 'at-most-once'
}

export function addDrill(program: Command, output: Output, verdict: Verdict): void {
  const drill = program
    .command('drill')
    .description('break a cluster on purpose, and verify with a ledger that nothing was lost')
    .addHelpText(
      'after',
      `\nExamples:\n  warren drill list\n  warren drill run kill-leader\n  warren drill all --report drills.html`,
    )
  drill
    .command('list')
    .description('list the drills; with --json, also what each promises')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', '\nExamples:\n  warren drill list\n  warren drill list --json')
    .action(async (options: { json?: true }) => {
      const { drills } = await import('../drills/index.js')
      output.out(options.json ? drills.map(jsonOf).join('') : table(['DRILL', 'WHAT IT DOES'], drills.map(rowOf)))
    })
  options(drill.command('run').description('run drills by name').argument('<name...>', 'names as in warren drill list'))
    .addHelpText(
      'after',
      '\nExamples:\n  warren drill run kill-worker\n  warren drill run rolling-restart --repeat 20\n  warren drill run kill-worker --sabotage early-ack    shows that it can fail\n  warren drill all --broker amqp://user:password@host --results redis://host    on your own cluster',
    )
    .action(async (names: string[], chosen: DrillOptions) => verdict(await runNamed(names, chosen, output)))
  options(drill.command('all').description('run every drill, one after the other'))
    .addHelpText('after', '\nExamples:\n  warren drill all --report drills.html')
    .action(async (chosen: DrillOptions) => verdict(await runNamed(['all'], chosen, output)))
  addStorm(drill, output, verdict)
  addSoak(drill, output, verdict)
}

function options(command: Command): Command {
  return command
    .option('--json', 'print one JSON object for each drill; progress goes to stderr')
    .option('--report <file>', 'write one HTML page with timelines and verdicts')
    .option('--repeat <n>', 'run each drill n times (default: 1)', parseRepeat)
    .option('--dir <dir>', "folder of the drills' own cluster (default: .warren-drill)")
    .option(
      '--broker <url>',
      'your own RabbitMQ, several addresses separated by commas: only for drills that need no process control',
    )
    .option('--results <url>', 'its result store, as redis://…; with --broker')
    .option('--packs', 'send the tasks in packs, several to a message')
    .addOption(
      new Option('--sabotage <how>', 'break Warren on purpose, to verify that the drill can fail').choices([
        'early-ack',
        'no-confirms',
        'at-most-once',
      ]),
    )
}

export function parseRepeat(word: string): number {
  const repeat = /^\d{1,4}$/.test(word) ? Number(word) : 0
  if (repeat >= 1) return repeat
  throw new InvalidArgumentError(`expected a whole number from 1 to 9999, got: ${word}`)
}

const jsonOf = ({ name, does, holds }: Drill): string => `${JSON.stringify({ name, does, holds })}\n`
const rowOf = ({ name, does }: Drill): string[] => [name, does]

async function runNamed(names: readonly string[], chosen: DrillOptions, { out, err }: Output): Promise<number> {
  const { drills, runDrills } = await import('../drills/index.js')
  const { didYouMean } = await import('warren')
  const known = drills.map(({ name }) => name)
  const picked = names.includes('all')
    ? drills
    : names.map((name) => {
        const found = drills.find((each) => each.name === name)
        if (found) return found
        throw new Failure(`no drill is called ${name}${didYouMean(name, known)}; see warren drill list`, {
          exitCode: 2,
        })
      })
  if ((chosen.broker === undefined) !== (chosen.results === undefined)) {
    throw new Failure('expected --broker and --results together, or neither', { exitCode: 2 })
  }
  const own =
    chosen.broker && chosen.results ? { broker: chosen.broker.split(','), results: chosen.results } : undefined
  const controlled = own === undefined || names.includes('all') ? undefined : picked.find(({ anywhere }) => !anywhere)
  if (controlled !== undefined) {
    throw new Failure(`${controlled.name} needs a cluster whose processes it can control: omit --broker`, {
      exitCode: 2,
    })
  }
  const say = (line: string) => (chosen.json ? err : out)(`${line}\n`)
  const interrupt = new AbortController()
  const leave = onSignals(interrupt, say)
  const outcomes: DrillOutcome[] = []
  const startedAt = Date.now()
  let rabbitmqVersion: string | undefined
  try {
    await runDrills({
      drills: own === undefined ? picked : picked.filter(({ anywhere }) => anywhere),
      repeat: chosen.repeat ?? 1,
      ...(chosen.dir === undefined ? {} : { dir: chosen.dir }),
      ...(own === undefined ? {} : { ownCluster: own }),
      sabotage: chosen.sabotage,
      packs: chosen.packs,
      signal: interrupt.signal,
      say,
      onStart: (about) => {
        rabbitmqVersion = about.rabbitmqVersion
      },
      ...(chosen.json ? { onLedger: (counts) => err(`${JSON.stringify({ event: 'ledger', ...counts })}\n`) } : {}),
      onOutcome: (outcome) => {
        outcomes.push(outcome)
        if (chosen.json) out(`${JSON.stringify(summaryOf(outcome))}\n`)
        else out(`${verdictText(outcome)}\n`)
      },
    })
  } catch (error) {
    if (!interrupt.signal.aborted) throw error
    say('Interrupted; everything that it started has stopped')
  } finally {
    leave()
  }
  if (chosen.report !== undefined && outcomes.length > 0) {
    const { reportPage } = await import('../drills/index.js')
    writeFileSync(chosen.report, reportPage(outcomes, { startedAt, sabotage: chosen.sabotage, rabbitmqVersion }))
    say(`Report: ${chosen.report}`)
  }
  if (!chosen.json && outcomes.length > 0) out(`\n${summaryTable(outcomes)}`)
  const allPassed = outcomes.length > 0 && outcomes.every(({ verdict }) => verdict !== 'failed')
  return allPassed && !interrupt.signal.aborted ? 0 : 1
}

/** The first signal ends the drills and stops what was started; a later one changes nothing. */
function onSignals(interrupt: AbortController, say: (line: string) => void): () => void {
  return onStopSignals(
    () => {
      say('\nEnding the drill and stopping everything that it started')
      interrupt.abort(new Failure('interrupted'))
    },
    () => undefined,
  )
}

function summaryOf(outcome: DrillOutcome): Record<string, unknown> {
  const { drill, verdict, reasons, remarks, seconds, plan, counts, pauses, recoveryMs } = outcome
  return {
    event: 'drill',
    ...{ name: drill.name, verdict, reasons, remarks, seconds: Math.round(seconds * 10) / 10 },
    ...{ ratePerQueue: plan.ratePerQueue, taskMs: plan.taskMs },
    ...{ ledger: counts ?? null, longestPauseMs: pauses ?? null, recoveryMs: recoveryMs ?? null },
  }
}

function verdictText({ verdict, reasons, remarks, counts }: DrillOutcome): string {
  const ledger =
    counts === undefined
      ? ''
      : `: ${counts.sent} sent, ${counts.confirmed} confirmed, ${counts.stored} stored, ${counts.deadLettered} dead-lettered, ${counts.lost} lost, ${counts.duplicated} run twice`
  const lines = [`  ${verdict.toUpperCase()}${ledger}`, ...remarks.map((remark) => `    ${remark}`)]
  return [...lines, ...reasons.map((reason) => `    ${verdict === 'skipped' ? 'because' : 'BROKEN:'} ${reason}`)].join(
    '\n',
  )
}

function summaryTable(outcomes: readonly DrillOutcome[]): string {
  const pause = (ms: number | undefined) => (ms === undefined ? '' : `${(ms / 1000).toFixed(2)} s`)
  const rows = outcomes.map(({ drill, verdict, seconds, counts, pauses, recoveryMs }) => [
    drill.name,
    verdict,
    `${seconds.toFixed(0)} s`,
    ...[counts?.confirmed, counts?.stored, counts?.deadLettered, counts?.lost, counts?.duplicated].map((n) =>
      n === undefined ? '' : String(n),
    ),
    ...[pauses && Math.max(pauses.confirmed.user, pauses.confirmed.payment), pauses?.finished.payment, recoveryMs].map(
      pause,
    ),
  ])
  const head = [
    'DRILL',
    'VERDICT',
    'TOOK',
    'CONFIRMED',
    'STORED',
    'DEAD',
    'LOST',
    'TWICE',
    'CONFIRM PAUSE',
    'PAYMENT PAUSE',
    'RECOVERED',
  ]
  const failed = outcomes.filter(({ verdict }) => verdict === 'failed').length
  const skipped = outcomes.filter(({ verdict }) => verdict === 'skipped').length
  const passed = outcomes.length - failed - skipped
  return `${table(head, rows)}\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`
}

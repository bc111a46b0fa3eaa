/** `warren drill storm`: combines faults drawn from a seed, under mixed work, and checks every promise. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { onStopSignals } from '../demo/stopSignals.js'
import type { StormOutcome } from '../drills/index.js'
import { Failure } from './failure.js'
import type { Output, Verdict } from './output.js'

interface StormChoice {
  readonly seed: number
  readonly minutes: number
  readonly rate: number
  readonly dir: string
  readonly json?: true
  readonly storeReplica?: true
  readonly sabotage?: 'early-ack' | 'no-fencing' | 'lost-cancel'
}

export function addStorm(drill: Command, output: Output, verdict: Verdict): void {
  drill
    .command('storm')
    .description('combine faults drawn from a seed, under mixed work, and check every promise')
    .option('--seed <n>', 'seed; the same number draws the same faults', whole(0, 2 ** 32 - 1), 1)
    .option('--minutes <n>', 'how long faults continue', whole(1, 1_440), 10)
    .option('--rate <n>', 'tasks a second, of all kinds together', whole(1, 1_000), 40)
    .option('--dir <dir>', "folder of the storm's own cluster", '.warren-drill')
    .option('--store-replica', 'run on a result store with a replica, and also fail it over')
    .option('--json', 'print one JSON object; progress goes to stderr')
    .addOption(
      new Option('--sabotage <how>', 'break Warren on purpose, to verify that the storm finds it').choices([
        'early-ack',
        'no-fencing',
        'lost-cancel',
      ]),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  warren drill storm --seed 7 --minutes 10\n  warren drill storm --sabotage no-fencing --minutes 5    shows that it can fail',
    )
    .action(async (choice: StormChoice) => verdict(await storm(choice, output)))
}

/** A whole number in a range, as commander's parser. */
export const whole = (min: number, max: number) => (word: string) => {
  const value = /^\d{1,10}$/.test(word) ? Number(word) : Number.NaN
  if (value >= min && value <= max) return value
  throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}, got: ${word}`)
}

async function storm(choice: StormChoice, { out, err }: Output): Promise<number> {
  const { runStorm } = await import('../drills/index.js')
  const { seed, minutes, rate, dir, json, sabotage, storeReplica = false } = choice
  const say = (line: string) => (json ? err : out)(`${line}\n`)
  const interrupt = new AbortController()
  const leave = onStopSignals(
    () => {
      say('\nEnding the storm and stopping everything that it started')
      interrupt.abort(new Failure('interrupted'))
    },
    () => undefined,
  )
  try {
    const outcome = await runStorm({
      seed,
      minutes,
      ratePerSecond: rate,
      dir,
      sabotage,
      storeReplica,
      signal: interrupt.signal,
      say,
    })
    out(json ? `${JSON.stringify({ event: 'storm', ...outcome })}\n` : stormText(outcome))
    return outcome.verdict === 'passed' ? 0 : 1
  } catch (error) {
    if (!interrupt.signal.aborted) throw error
    say('Interrupted; everything that it started has stopped')
    return 1
  } finally {
    leave()
  }
}

export function stormText({
  verdict,
  seed,
  seconds,
  rabbitmqVersion,
  gusts,
  faults,
  tasks,
  runs,
  ticks,
  violations,
}: StormOutcome): string {
  const all = Object.values(tasks).reduce((sum, count) => sum + count, 0)
  const kinds = Object.entries(tasks).map(([kind, count]) => `${count} ${kind}`)
  return [
    `${verdict.toUpperCase()}: storm ${seed} on RabbitMQ ${rabbitmqVersion}, ${(seconds / 60).toFixed(1)} minutes, ${faults} faults in ${gusts} gusts`,
    `  ${all} tasks (${kinds.join(', ')}), ${ticks} ticks, ${runs} runs`,
    ...violations.flatMap(({ promise, count, examples }) => [
      `  BROKEN: ${promise} (${count} times)`,
      ...examples.map((each) => `    ${each}`),
    ]),
    '',
  ].join('\n')
}

/** `warren doctor`: inspects a cluster and reports problems, their reasons, and the commands that fix them. */
import { type Command, Option } from 'commander'
import { age } from './dlq.js'
import { exitCode, reportLines, reportText } from './doctorReport.js'
import type { DoctorOptions } from './doctorTarget.js'
import type { Output, Verdict } from './output.js'
import { jsonLine } from './printable.js'
import { dirOption } from './running.js'

export function addDoctor(program: Command, { out }: Output, verdict: Verdict): void {
  program
    .command('doctor')
    .description('inspect a cluster and report what can lose messages or cause outages, with the command that fixes it')
    .option(
      '--broker <url>',
      "broker address with the service's user and virtual host, several separated by commas (default: WARREN_BROKER, or the running cluster)",
    )
    .option(
      '--management <url>',
      "RabbitMQ's management API, an address of each node if possible; its user needs the tags monitoring and policymaker, and administrator to see permissions (default: WARREN_MANAGEMENT, the running cluster's, or port 15672 of the broker)",
    )
    .option('--results <url>', 'result store address (default: WARREN_RESULTS, or the running cluster)')
    .option('--module <file...>', 'modules that export your tasks, to check their time limits and queue types')
    .option('--service <name>', 'the service that handles the tasks, as in warren.worker({ service })')
    .addOption(
      new Option(
        '--consumer-timeout <age>',
        "the value of RabbitMQ's consumer_timeout, such as 2h (default: 30m)",
      ).argParser(age),
    )
    .addOption(dirOption())
    .option('--json', 'print one JSON object a line')
    .addHelpText(
      'after',
      `
It only reads, and changes nothing. It checks queues with Warren's names, in the virtual host of --broker.
It lists everything that it could not inspect.

Exit code: 1 if something can lose messages or results, or if RabbitMQ could not be inspected. Otherwise 0.

Examples:
  warren doctor                        the running cluster
  warren doctor --broker amqp://billing:…@rabbit-1/prod --management http://admin:…@rabbit-1:15672,http://admin:…@rabbit-2:15672 --results redis://store:6379
  warren doctor --broker … --module dist/tasks.js --service billing
  warren doctor --json | jq 'select(.event == "finding" and .severity == "loses")'`,
    )
    .action(async (options: DoctorOptions) => {
      const { checks, examine, look } = await import('../doctor/index.js')
      const { targetOf } = await import('./doctorTarget.js')
      const report = examine(await look(await targetOf(options)), checks)
      out(options.json ? reportLines(report).map(jsonLine).join('') : reportText(report))
      verdict(exitCode(report))
    })
}

/** `warren schedule list|show|pause|resume|trigger|remove|next`: the schedules of a cluster's services. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { withWhereAndJson } from './connected.js'
import type { Output, Verdict } from './output.js'
import {
  listSchedules,
  nextTicks,
  pauseSchedule,
  removeSchedule,
  resumeSchedule,
  type ScheduleWhere,
  showSchedule,
  triggerSchedule,
} from './scheduleActs.js'

export function addSchedule(program: Command, output: Output, verdict: Verdict): void {
  const schedule = program
    .command('schedule')
    .description('list, pause, resume, trigger and remove schedules')
    .addHelpText(
      'after',
      `
An application creates schedules with warren.schedules({ service }).upsert(…).

Examples:
  warren schedule list
  warren schedule next nightly-report --count 10
  warren schedule pause nightly-report --reason 'migration of the reports'
  warren schedule trigger nightly-report`,
    )
  where(schedule.command('list').description('list schedules, with their next ticks'))
    .addHelpText(
      'after',
      `
Examples:
  warren schedule list                       of every service
  warren schedule list --service billing --json | jq -r 'select(.paused).id'`,
    )
    .action((options: ScheduleWhere) => listSchedules(options, output))
  one(
    schedule,
    'show',
    'show one schedule with its definition and current state',
    'warren schedule show nightly-report',
  ).action((id: string, options: ScheduleWhere) => showSchedule(id, options, output))
  one(schedule, 'next', 'show the next ticks of a schedule', 'warren schedule next nightly-report --count 20')
    .option('--count <n>', 'how many (default: 5)', upTo(1_000))
    .action((id: string, options: ScheduleWhere & { count?: number }) => nextTicks(id, options, output))
  one(
    schedule,
    'pause',
    'send nothing until it is resumed; ticks during the pause are skipped',
    "warren schedule pause nightly-report --reason 'migration of the reports'",
  )
    .addOption(new Option('--reason <text>', 'the reason, shown by list and show'))
    .action((id: string, options: ScheduleWhere & { reason?: string }) => pauseSchedule(id, options, output))
  one(schedule, 'resume', 'send again from the next tick on', 'warren schedule resume nightly-report').action(
    (id: string, options: ScheduleWhere) => resumeSchedule(id, options, output),
  )
  one(
    schedule,
    'trigger',
    'send its task once, now, even if it is paused',
    'warren schedule trigger nightly-report',
  ).action((id: string, options: ScheduleWhere) => triggerSchedule(id, options, output))
  one(
    schedule,
    'remove',
    'remove it; tasks that it has already sent still run',
    'warren schedule remove nightly-report --service billing',
  ).action(async (id: string, options: ScheduleWhere) => verdict(await removeSchedule(id, options, output)))
}

function one(schedule: Command, verb: string, description: string, example: string): Command {
  return where(schedule.command(verb).description(description).argument('<id>')).addHelpText(
    'after',
    `
Exit code: 1 if no schedule has this id, 2 if several services have one and --service is missing.

Examples:
  ${example}`,
  )
}

function where(command: Command): Command {
  return withWhereAndJson(command.option('--service <name>', 'the service that the schedule belongs to (default: any)'))
}

const upTo =
  (max: number) =>
  (word: string): number => {
    const number = /^[1-9]\d{0,8}$/.test(word) ? Number(word) : 0
    if (number >= 1 && number <= max) return number
    throw new InvalidArgumentError(`expected a whole number from 1 to ${max}, got: ${word}`)
  }

/** `warren limit`: limits that are set while workers run, and those that tasks declare. */
import type { Command } from 'commander'
import type { LimitInfo, LimitSettings, LimitTarget } from 'warren'
import { connected, type WhereJsonOptions, withWhereAndJson } from './connected.js'
import { Failure } from './failure.js'
import type { Output } from './output.js'
import { jsonLine, printable } from './printable.js'
import { table } from './table.js'

interface KeyOptions extends WhereJsonOptions {
  readonly key?: string
}

interface SetOptions extends KeyOptions {
  readonly rate?: string
  readonly burst?: string
  readonly concurrency?: string
}

export function addLimit(program: Command, { out }: Output): void {
  const limit = program.command('limit').description('show and set limits on the rate and concurrency of tasks')
  withWhereAndJson(limit.command('list'))
    .description('list the limits that were set, and those that tasks declare')
    .addHelpText('after', '\nExample:\n  warren limit list --json')
    .action(async (options: WhereJsonOptions) => {
      await connected(options, 'warren limit list', async (warren) => {
        const all = await warren.limits.list()
        if (options.json) for (const each of all) out(jsonLine({ event: 'limit', ...each }))
        else if (all.length === 0) out('no task has a limit\n')
        else out(table(['TASK', 'KEY', 'RATE', 'AT A TIME', 'SOURCE'], all.map(row)))
      })
    })

  withWhereAndJson(limit.command('set'))
    .description('set a limit for all workers at once, instead of the limit that the task declares')
    .argument('<task>')
    .option('--key <key>', 'only for this key of the task')
    .option('--rate <count/duration>', 'starts per duration, such as 100/1s or 5/1m, or none')
    .option('--burst <count>', 'how many may start at once after an idle time (default: 1)')
    .option('--concurrency <count>', 'how many may run at a time, or none')
    .addHelpText(
      'after',
      `
Options that you leave out keep their declared value. The limit applies until warren limit clear.

Examples:
  warren limit set payment.invoice.create --rate 100/1s --burst 10
  warren limit set payment.invoice.create --key customer-7 --concurrency 1
  warren limit set payment.invoice.create --rate none`,
    )
    .action(async (task: string, options: SetOptions) => {
      const settings = settingsOf(options)
      await connected(options, 'warren limit set', async (warren) => {
        await warren.limits.set(targetOf(task, options), settings)
        if (options.json) out(jsonLine({ event: 'set', ...targetOf(task, options), ...settings }))
        else out(`the limit of ${shown(task, options)} is set\n`)
      })
    })

  withWhereAndJson(limit.command('clear'))
    .description('remove a limit that was set: the limit that the task declares applies again')
    .argument('<task>')
    .option('--key <key>', 'only for this key of the task')
    .addHelpText('after', '\nExit code: 1 if none was set.\n\nExample:\n  warren limit clear payment.invoice.create')
    .action(async (task: string, options: KeyOptions) => {
      await connected(options, 'warren limit clear', async (warren) => {
        const was = await warren.limits.clear(targetOf(task, options))
        if (options.json) out(jsonLine({ event: was ? 'cleared' : 'notSet', ...targetOf(task, options) }))
        if (!was) throw new Failure(`no limit was set for ${shown(task, options)}; see warren limit list`)
        if (!options.json) out(`the limit of ${shown(task, options)} is cleared\n`)
      })
    })
}

const targetOf = (task: string, { key }: KeyOptions): LimitTarget => (key === undefined ? { task } : { task, key })
const shown = (task: string, { key }: KeyOptions): string => printable(key === undefined ? task : `${task}, key ${key}`)

function row({ task, key, rate, concurrency, perKey, source, since }: LimitInfo): string[] {
  const rateText = rate ? `${rate.count} in ${rate.perMs} ms${rate.burst > 1 ? `, burst ${rate.burst}` : ''}` : rate
  const from = since === undefined ? source : `${source} ${since.toISOString()}`
  const none = (value: unknown): string => (value === false ? 'no limit' : value === undefined ? '' : String(value))
  return [task, key ?? (perKey ? 'each' : ''), none(rateText), none(concurrency), from].map(printable)
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function settingsOf({ rate, burst, concurrency }: SetOptions): LimitSettings {
  if (burst !== undefined && (rate === undefined || rate === 'none')) {
    throw new Failure('expected --burst with a --rate', { exitCode: 2 })
  }
  return {
    ...(rate === undefined ? {} : { rate: rate === 'none' ? false : rateOf(rate, burst) }),
    ...(concurrency === undefined
      ? {}
      : { concurrency: concurrency === 'none' ? false : integer('--concurrency', concurrency) }),
  }
}

function rateOf(text: string, burst: string | undefined) {
  const [, count, amount, unit] = /^(\d+)\/(\d*)(ms|s|m|h|d)$/.exec(text) ?? []
  if (count === undefined || unit === undefined) {
    throw new Failure(`expected --rate as 100/1s or 5/1m, or none, got: ${JSON.stringify(text)}`, { exitCode: 2 })
  }
  const perMs = Number(amount === '' ? 1 : amount) * (UNITS[unit] as number)
  return { count: Number(count), perMs, ...(burst === undefined ? {} : { burst: integer('--burst', burst) }) }
}

function integer(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new Failure(`expected ${flag} to be a number, got: ${JSON.stringify(text)}`, { exitCode: 2 })
}

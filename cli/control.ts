/** `warren cancel`, `pause` and `resume`. */
import type { Command } from 'commander'
import type { Cancellation } from 'warren'
import { connected, type WhereJsonOptions, withWhereAndJson } from './connected.js'
import { Failure } from './failure.js'
import type { Output } from './output.js'
import { jsonLine, printable } from './printable.js'

interface CancelOptions extends WhereJsonOptions {
  readonly task?: string
  readonly tag?: string
  readonly key?: string
}

export function addControl(program: Command, { out }: Output): void {
  const report = ({ id, outcome, status }: Cancellation, json: boolean): void => {
    if (json) out(jsonLine({ event: outcome, id, status }))
    if (outcome === 'finished') throw new Failure(`task ${printable(id)} had already ended as ${status}`)
    if (!json) out(`task ${printable(id)} is cancelled\n`)
  }

  withWhereAndJson(program.command('cancel'))
    .description('cancel one task, or all tasks of one name or tag that were sent until now')
    .argument('[id]')
    .option('--task <name>', 'all tasks of this name')
    .option('--tag <tag>', 'all tasks with this tag')
    .option('--key <key>', 'with --task: the task that holds this unique key, which is then free')
    .addHelpText(
      'after',
      `
A task that has not started does not run; a running task has its signal aborted. The result is REVOKED.

Exit code: 1 if the task had already ended, or no task holds the key.

Examples:
  warren cancel 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53
  warren cancel --tag customer:42
  warren cancel --task payment.invoice.create --json
  warren cancel --task payment.invoice.create --key 42`,
    )
    .action(async (id: string | undefined, options: CancelOptions) => {
      const { task, tag, key } = options
      const given = [id, task, tag].filter((each) => each !== undefined)
      if (given.length !== 1) throw new Failure('expected exactly one of ID, --task and --tag', { exitCode: 2 })
      if (key !== undefined && task === undefined) throw new Failure('--key needs --task', { exitCode: 2 })
      await connected(options, 'warren cancel', async (warren) => {
        const { json = false } = options
        if (id !== undefined) return report(await warren.cancel(id), json)
        if (task !== undefined && key !== undefined) {
          const cancelled = await warren.cancel({ task, key })
          if (cancelled !== undefined) return report(cancelled, json)
          if (json) out(jsonLine({ event: 'unknownKey', task, key }))
          throw new Failure(`no task of ${printable(task)} holds the key ${printable(key)}`)
        }
        const { scope, name, before } = await warren.cancel(task === undefined ? { tag: tag ?? '' } : { task })
        if (options.json) out(jsonLine({ event: 'cancelled', [scope]: name, before }))
        else
          out(
            `all tasks of the ${scope} ${printable(name)} that were sent before ${before.toISOString()} are cancelled\n`,
          )
      })
    })

  withWhereAndJson(program.command('pause'))
    .description('pause a queue for all its workers, until it is resumed; without a queue, list the paused ones')
    .argument('[queue]')
    .option('--reason <text>', 'the reason, shown with the pause')
    .addHelpText(
      'after',
      `
Messages wait in the queue until then. Running tasks continue to their end.

Examples:
  warren pause payment.invoice.create.billing --reason "the bank is down"
  warren pause --json`,
    )
    .action(async (queue: string | undefined, options: WhereJsonOptions & { reason?: string }) => {
      const { reason } = options
      if (queue === undefined && reason !== undefined) throw new Failure('expected a queue to pause', { exitCode: 2 })
      await connected(options, 'warren pause', async (warren) => {
        if (queue !== undefined) {
          await warren.pause(queue, reason === undefined ? {} : { reason })
          out(options.json ? jsonLine({ event: 'paused', queue, reason }) : `${printable(queue)} is paused\n`)
          return
        }
        const paused = await warren.paused()
        if (paused.length === 0 && !options.json) out('no queue is paused\n')
        for (const { queue: name, since, reason: why } of paused) {
          if (options.json) out(jsonLine({ event: 'paused', queue: name, since, reason: why }))
          else
            out(printable(`${name}, since ${since.toISOString()}${why === undefined ? '' : `: ${why}`}`).concat('\n'))
        }
      })
    })

  withWhereAndJson(program.command('resume'))
    .description('end the pause of a queue')
    .argument('<queue>')
    .addHelpText(
      'after',
      `
Exit code: 1 if it was not paused.

Example:
  warren resume payment.invoice.create.billing`,
    )
    .action(async (queue: string, options: WhereJsonOptions) => {
      await connected(options, 'warren resume', async (warren) => {
        const was = await warren.resume(queue)
        if (options.json) out(jsonLine({ event: was ? 'resumed' : 'notPaused', queue }))
        if (!was) throw new Failure(`${printable(queue)} was not paused; see warren pause`)
        if (!options.json) out(`${printable(queue)} is resumed\n`)
      })
    })
}

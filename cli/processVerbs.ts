/** `warren start|stop|kill|freeze|thaw|restart NAME...`: one process of the running cluster, or several in turn. */
import type { Command } from 'commander'
import type { ProcessAction } from '../cluster/index.js'
import type { Output, Verdict } from './output.js'
import { dirOption, folderOf } from './running.js'

const VERBS: readonly { verb: ProcessAction; does: string; more: string }[] = [
  { verb: 'start', does: 'start a process that is down', more: 'Waits until it is ready.' },
  { verb: 'stop', does: 'stop a process in order (SIGTERM)', more: 'Waits until it is gone.' },
  {
    verb: 'kill',
    does: 'end a process at once (SIGKILL)',
    more: 'It stays down until warren start; a worker killed from outside comes back by itself.',
  },
  { verb: 'freeze', does: 'pause a process (SIGSTOP)', more: 'Its sockets stay open but do not answer.' },
  { verb: 'thaw', does: 'resume a frozen process (SIGCONT)', more: '' },
  { verb: 'restart', does: 'stop a process and start it again', more: 'Waits until it is ready.' },
]

export function addProcessVerbs(program: Command, { out }: Output, _verdict: Verdict): void {
  for (const { verb, does, more } of VERBS) {
    program
      .command(verb)
      .description(does)
      .argument('<name...>', 'names as in warren status, such as rabbitmq-3 or worker-1')
      .addOption(dirOption())
      .option('--json', 'print one JSON object a line')
      .addHelpText(
        'after',
        `\n${more === '' ? '' : `${more}\n\n`}Examples:\n  warren ${verb} rabbitmq-3\n  warren ${verb} worker-1 worker-2`,
      )
      .action(async (names: string[], options: { dir?: string; json?: true }) => {
        const { actOnProcess } = await import('../cluster/index.js')
        for (const name of names) {
          const status = await actOnProcess(folderOf(options.dir), name, verb)
          const process = status.processes.find((each) => each.name === name)
          const state = process?.state ?? 'stopped'
          const pid = process?.pid
          if (options.json) out(`${JSON.stringify({ event: verb, name, state, pid })}\n`)
          else out(`${name}: ${state}${pid === undefined ? '' : ` (process ${pid})`}\n`)
        }
      })
  }
}

/** `warren start|stop|kill|freeze|thaw|restart NAME...`: acts on one or several processes of the running cluster. */
import type { Command } from 'commander'
import type { ProcessAction } from '../cluster/index.js'
import type { Output, Verdict } from './output.js'
import { dirOption, folderOf } from './running.js'

const VERBS: readonly { verb: ProcessAction; does: string; more: string }[] = [
  { verb: 'start', does: 'start a stopped process', more: 'Waits until it is ready.' },
  { verb: 'stop', does: 'stop a process gracefully (SIGTERM)', more: 'Waits until it has exited.' },
  {
    verb: 'kill',
    does: 'kill a process (SIGKILL)',
    more: 'It stays down until warren start. A worker that is killed in another way restarts by itself.',
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

/**
 * The whole command line: every verb, and the output of usage errors. A verb's file adds itself to the program and loads its
 * code only when it runs, so that `--help` is fast.
 */
import { Command, CommanderError } from 'commander'
import { addClient } from './client.js'
import { addConsole } from './console.js'
import { addControl } from './control.js'
import { addDefinitions } from './definitions.js'
import { addDlq } from './dlq.js'
import { addDoctor } from './doctor.js'
import { addDrill } from './drill.js'
import { report } from './failure.js'
import { addFlow } from './flow.js'
import { addLimit } from './limit.js'
import type { Output, Verdict } from './output.js'
import { addProcessVerbs } from './processVerbs.js'
import { addQueues } from './queues.js'
import { addScale } from './scale.js'
import { addSchedule } from './schedule.js'
import { addStatus } from './status.js'
import { addTask } from './task.js'
import { addTasks } from './tasks.js'
import { addUp } from './up.js'
import { version } from './version.js'
import { addWorker } from './worker.js'

const CONSOLE: Output = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
}

/** Runs one command line. Resolves with the exit code; never throws. */
export async function run(words: readonly string[], output: Output = CONSOLE): Promise<number> {
  let code = 0
  const program = new Command('warren')
    .description('A task queue on RabbitMQ, and a local three-node cluster to run it on.')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    // Words after `client` belong to the client's own command line.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: output.out,
      writeErr: output.err,
      outputError: (text, write) => write(usageSentence(text, verbsIn(program, words))),
    })
    .addHelpText(
      'after',
      '\nExit code: 0 success, 1 failure, 2 wrong usage.\nEach command has its own --help with examples.',
    )
  const verdict: Verdict = (value) => {
    code = value
  }
  for (const add of [
    addUp,
    addClient,
    addWorker,
    addStatus,
    addScale,
    addProcessVerbs,
    addTask,
    addTasks,
    addFlow,
    addControl,
    addLimit,
    addQueues,
    addDlq,
    addSchedule,
    addConsole,
    addDefinitions,
    addDoctor,
    addDrill,
  ]) {
    add(program, output, verdict)
  }
  // Commander copies the program's settings only to commands that are created after them; these are added later.
  inherit(program)
  if (words.length === 0) {
    output.err('warren: expected a command, got nothing; see warren --help\n')
    return 2
  }
  try {
    await program.parseAsync(words, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    return report(error, verbsIn(program, words).join(' '), output.err)
  }
}

function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent)
    // All its words belong to the demo client, including `--help`.
    if (command.name() === 'client') command.helpOption(false)
    inherit(command)
  }
}

/** The command that the words name: `['dlq', 'show']` for `dlq show --json`. */
function verbsIn(program: Command, words: readonly string[]): string[] {
  const verbs: string[] = []
  let command: Command | undefined = program
  for (const word of words) {
    command = command.commands.find((each) => each.name() === word || each.aliases().includes(word))
    if (command === undefined) break
    verbs.push(word)
  }
  return verbs
}

/** Commander's message as one sentence that ends with a remedy. */
function usageSentence(text: string, verbs: readonly string[]): string {
  const sentence = text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
  return `warren: ${sentence}; see ${['warren', ...verbs, '--help'].join(' ')}\n`
}

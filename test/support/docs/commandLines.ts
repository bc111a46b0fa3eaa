/** The command lines in the docs, and whether the commands and options in them exist. */
import { run } from '../../../cli/program.js'
import { CLIENT_HELP } from '../../../demo/clientArguments.js'
import type { Block } from './pages.js'

const names = (source: string, pattern: RegExp): string[] =>
  [...source.matchAll(pattern)].map((match) => match[1] ?? '')

async function help(path: readonly string[]): Promise<string> {
  if (path[0] === 'client') return CLIENT_HELP
  let said = ''
  const code = await run([...path, '--help'], { out: (piece) => (said += piece), err: () => undefined })
  if (code !== 0) throw new Error(`warren ${path.join(' ')} --help ended with ${code}`)
  return said
}
const block = (said: string, title: string): string => said.split(`\n${title}:\n`)[1]?.split('\n\n')[0] ?? ''

/** Every command of `warren` by its words, `dlq list`, with its options as its help names them. */
export async function warrenCommands(path: readonly string[] = []): Promise<Map<string, string[]>> {
  const said = await help(path)
  const flags = names(block(said, 'Options'), /^ {2}(?:-\w, )?(--[\w-]+)/gm).filter(
    (flag) => !/--(help|version)/.test(flag),
  )
  const found = new Map(path.length === 0 ? [] : [[path.join(' '), flags] as const])
  if (path[0] === 'client') return found
  const verbs = names(block(said, 'Commands'), /^ {2}(\w+)/gm).filter((verb) => verb !== 'help')
  for (const verb of verbs) for (const [name, each] of await warrenCommands([...path, verb])) found.set(name, each)
  return found
}

/** The commands in a block of a shell, each on one line, without prompts and comments. */
export const commandLines = ({ language, code }: Block): string[] =>
  ['', 'sh', 'console'].includes(language)
    ? code
        .replaceAll(/\\\n\s*/g, '')
        .split('\n')
        .map((line) =>
          line
            .replace(/^\s*\$ /, '')
            .replace(/\s#\s.*$/, '')
            .trim(),
        )
        .filter((line) => /^(?:\w+=\S+ )*(?:npx |npm )?(?:warren|run|vitest|docker|start|test|create)\b/.test(line))
    : []

/** What is wrong with a call of `warren`, or undefined. */
export function problemOfCall(line: string, commands: ReadonlyMap<string, readonly string[]>): string | undefined {
  const [, call] = /(?<!npm create)(?:^| )warren (\w.*)$/.exec(line) ?? []
  if (call === undefined) return undefined
  const said = call.split(' ')
  const path = [...said.keys()]
    .map((count) => said.slice(0, count + 1).join(' '))
    .findLast((each) => commands.has(each))
  if (path === undefined) return `there is no command \`warren ${said[0]}\``
  const known = [...(commands.get(path) ?? []), '--help', '--version']
  const unknown = (call.match(/(?<=\s)--[\w-]+/g) ?? []).filter((flag) => !known.includes(flag))
  return unknown.length === 0 ? undefined : `\`warren ${path}\` has no ${unknown.join(', ')}`
}

/** `warren status`: every process of the running cluster, and how the nodes see each other. */
import type { Command } from 'commander'
import type { ClusterStatus } from '../cluster/index.js'
import type { Output, Verdict } from './output.js'
import { dirOption, folderOf } from './running.js'
import { table } from './table.js'

export function addStatus(program: Command, { out }: Output, _verdict: Verdict): void {
  program
    .command('status')
    .description('show every process of the running cluster and its addresses')
    .addOption(dirOption())
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Exit code: 1 if no cluster is running in the folder.

Examples:
  warren status
  warren status --json | jq '.processes[] | select(.state != "running")'`,
    )
    .action(async (options: { dir?: string; json?: true }) => {
      const { readStatus } = await import('../cluster/index.js')
      const status = await readStatus(folderOf(options.dir))
      out(options.json ? `${JSON.stringify(status)}\n` : statusText(status))
    })
}

export function statusText(status: ClusterStatus, now: number = Date.now()): string {
  const rows = status.processes.map(({ name, state, pid, ports, since, restarts, sees, front, detail }) => [
    name,
    state,
    pid === undefined ? '' : String(pid),
    ports.join(' '),
    duration(now - Date.parse(since)),
    restarts === 0 ? '' : String(restarts),
    [
      ...(sees === undefined ? [] : [`sees ${sees.length} of 3 nodes`]),
      ...(front === undefined ? [] : [`HAProxy: ${front}`]),
      ...(detail === undefined ? [] : [detail.split('\n', 1)[0] ?? '']),
    ].join(', '),
  ])
  const { addresses } = status
  const places: [string, string][] = [
    ['edge', `${addresses.edge}/ (also /rabbitmq, /haproxy${addresses.prometheus ? ', /prometheus' : ''})`],
    ['broker', addresses.amqp.join(' ')],
    ['results', addresses.results],
  ]
  return [
    `The cluster in ${status.dir} is ${status.state} (launcher: process ${status.pid}).\n\n`,
    table(['NAME', 'STATE', 'PID', 'PORTS', 'FOR', 'RESTARTS', 'NOTES'], rows),
    '\n',
    ...places.map(([name, place]) => `${name.padEnd(9)}${place}\n`),
    ...troubleLines(status),
  ].join('')
}

/** Problems whose process is running, with their remedies. */
function troubleLines({ troubles, state }: ClusterStatus): string[] {
  if (state !== 'running') return []
  if (troubles === undefined) return ['\nNo node answers, so the state of virtual hosts and queues is unknown.\n']
  if (troubles.length === 0) return []
  const lines = troubles.map(({ what, remedy }) => `- ${what}\n  ${remedy}\n`)
  const repaired = troubles.some(({ kind }) => kind === 'virtualHostDown' || kind === 'queueDown')
  const note = 'The launcher repairs virtual hosts and queues by itself after some seconds; see its log.\n'
  return ['\nTrouble:\n', ...lines, ...(repaired ? [note] : [])]
}

/** `12 s`, `3 min`, `5 h`, `2 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

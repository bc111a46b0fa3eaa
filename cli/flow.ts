/** `warren flow`: the state of one flow, and its members. */
import type { Command } from 'commander'
import type { FlowMember, FlowStatus } from 'warren'
import { connected, type WhereJsonOptions, withWhere } from './connected.js'
import { Failure } from './failure.js'
import type { Output } from './output.js'
import { jsonLine, printable } from './printable.js'
import { table } from './table.js'

interface FlowOptions extends WhereJsonOptions {
  readonly cancel?: true
}

/** More members than these are counted, not listed. */
const LISTED = 50

export function addFlow(program: Command, { out }: Output): void {
  withWhere(program.command('flow'))
    .description('show the state of one flow and its members')
    .argument('<id>')
    .option('--cancel', 'cancel the flow first: its members are cancelled, and the rest is not sent')
    .option('--json', 'print one JSON object a line: the flow, then each member')
    .addHelpText(
      'after',
      `
Exit code: 1 if the store has no such flow.

Example:
  warren flow report-2026-05 --json | jq -r 'select(.event == "member" and .state == "failed") | .id'`,
    )
    .action(async (id: string, options: FlowOptions) => {
      await connected(options, 'warren flow', async (warren) => {
        const flow = warren.flows.handle(id)
        if (options.cancel) await flow.cancel({ reason: 'warren flow --cancel' })
        const status = await flow.state()
        if (status === undefined) {
          throw new Failure(`the result store has no flow ${printable(id)}: it was never started, or it has expired`)
        }
        const members = await flow.members()
        if (options.json) {
          out(jsonLine({ event: 'flow', ...status }))
          for (const member of members) out(jsonLine({ event: 'member', ...member }))
        } else {
          out(described(status, members))
        }
      })
    })
}

function described(status: FlowStatus, members: readonly FlowMember[]): string {
  const { id, state, startedAt, endedAt, deadline, reason, text, member } = status
  const counts = new Map<string, number>()
  for (const each of members) counts.set(each.state, (counts.get(each.state) ?? 0) + 1)
  const lines = [
    `flow       ${printable(id)}`,
    `state      ${state}`,
    `started    ${startedAt.toISOString()}`,
    endedAt === undefined ? `deadline   ${deadline.toISOString()}` : `ended      ${endedAt.toISOString()}`,
    ...(reason === undefined ? [] : [`reason     ${printable(reason)}: ${printable(text ?? '')}`]),
    ...(member === undefined ? [] : [`member     ${printable(member.id)} (${printable(member.task)})`]),
    `members    ${[...counts].map(([name, count]) => `${count} ${name}`).join(', ') || 'none'}`,
  ]
  const shown = members.slice(0, LISTED)
  const rows = shown.map((each) => [
    printable(each.id),
    printable(each.task),
    each.state,
    each.reason === undefined ? '' : `${printable(each.reason)}: ${printable(each.text ?? '')}`,
  ])
  const more = members.length > LISTED ? `and ${members.length - LISTED} more; --json lists all\n` : ''
  return `${lines.join('\n')}\n\n${table(['MEMBER', 'TASK', 'STATE', 'WHY'], rows)}${more}`
}

/** `warren dlq list` and `show`. */
import { isUtf8 } from 'node:buffer'
import type { DeadLetter, DeadLetterContent } from 'warren'
import { type FilterOptions, filterOf, number, onEach, type WhereOptions } from './dlqQueues.js'
import { Failure } from './failure.js'
import type { Output } from './output.js'
import { jsonLine, plain, printable, printableLines } from './printable.js'
import { duration } from './status.js'
import { table } from './table.js'

export async function list(
  options: FilterOptions & { page?: number; pageSize?: number },
  { out, err }: Output,
): Promise<void> {
  const { page = 1, pageSize = 20, json } = options
  const first = (page - 1) * pageSize
  let lastPage = 1
  const { queues, gap } = await onEach(options, async (letters) => {
    const shown: DeadLetter[] = []
    let matched = 0
    for await (const letter of letters.list(filterOf(options))) {
      if (matched >= first && matched < first + pageSize) shown.push(letter)
      matched++
    }
    const { queue } = letters
    const pages = Math.max(1, Math.ceil(matched / pageSize))
    lastPage = Math.max(lastPage, pages)
    if (json) {
      for (const letter of shown) out(jsonLine({ event: 'deadLetter', in: queue, ...letter }))
      out(jsonLine({ event: 'page', in: queue, page, pages, matched }))
      return
    }
    out(`${printable(queue)}: ${number(matched)} dead letter${matched === 1 ? '' : 's'}`)
    out(pages > 1 || page > 1 ? `, page ${number(page)} of ${number(pages)}\n` : '\n')
    if (shown.length > 0) out(fitted(table(['ID', 'TASK', 'DEAD FOR', 'WHY'], shown.map(rowOf))))
    out('\n')
  })
  if (queues.length === 0) err('warren dlq list: RabbitMQ has no dead-letter queue in this virtual host\n')
  if (gap !== undefined) err(`warren dlq list: ${printable(gap)}\n`)
  if (page > lastPage) {
    throw new Failure(`there is no page ${number(page)}: the last one is ${number(lastPage)}`, { exitCode: 2 })
  }
}

export const rowOf = ({ id, task = '', diedAt, why }: DeadLetter): string[] => [
  printable(id),
  printable(task),
  diedAt === undefined ? '?' : duration(Date.now() - diedAt.getTime()),
  printable(why),
]

/** Cuts lines at the terminal's width; elsewhere they stay whole. */
function fitted(lines: string): string {
  const columns = process.stdout.isTTY ? process.stdout.columns : 0
  if (!columns) return lines
  return lines.replaceAll(/.+/g, (line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line))
}

export async function show(id: string, options: WhereOptions, { out }: Output): Promise<void> {
  let found = 0
  const { queues, gap } = await onEach(options, async (letters) => {
    for (const letter of await letters.show(id)) {
      if (found++ > 0 && !options.json) out('\n')
      out(options.json ? jsonLine({ event: 'deadLetter', in: letters.queue, ...jsonOf(letter) }) : details(letter))
    }
  })
  if (found > 0) return
  const where =
    gap ?? (queues.length === 0 ? 'RabbitMQ has no dead-letter queue here' : `searched ${queues.join(', ')}`)
  throw new Failure(`no dead letter has the id ${printable(id)}: ${printable(where)}; see warren dlq list`)
}

export function jsonOf({ content, headers, ...letter }: DeadLetterContent): object {
  const body = isUtf8(content) ? { content: content.toString() } : { base64: content.toString('base64') }
  return { ...letter, headers: plain(headers), ...body }
}

export function details(letter: DeadLetterContent, now: number = Date.now()): string {
  const { content, contentType, headers, diedAt, exchange, routingKey, redriven } = letter
  const facts: [string, string | undefined][] = [
    ['id', letter.id],
    ['task', letter.task],
    ['why', letter.why],
    ['died', diedAt && `${diedAt.toISOString()}, ${duration(now - diedAt.getTime())} ago`],
    ['in queue', letter.queue],
    ['sent to', exchange === undefined ? undefined : `${exchange || '(default exchange)'} → ${routingKey ?? ''}`],
    ['attempts', letter.attempts?.toString()],
    ['redriven', redriven === 0 ? undefined : `${redriven} time${redriven === 1 ? '' : 's'} before`],
    ['trace', letter.traceparent],
    ['content', `${number(content.length)} bytes, ${contentType ?? 'no content type'}`],
  ]
  const text = isUtf8(content) ? printableLines(content.toString()) : `base64 ${content.toString('base64')}`
  return [
    ...facts.flatMap(([name, fact]) => (fact === undefined ? [] : [`${name.padEnd(10)}${printable(fact)}`])),
    'headers',
    ...Object.entries(headers).map(
      ([name, value]) => `  ${printable(name)}: ${printable(JSON.stringify(plain(value)) ?? '')}`,
    ),
    '',
    text,
    '',
  ].join('\n')
}

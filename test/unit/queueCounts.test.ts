/** What `warren queues` makes of what RabbitMQ's management API lists: what is not known is never 0. */
import { describe, expect, it } from 'vitest'
import { countsOf } from '../../cli/queueCounts.js'
import { json, rowOf, text } from '../../cli/queues.js'

const queue = (name: string, ready?: number, running?: number, more: object = {}) => ({
  name,
  state: 'running',
  ...(ready === undefined ? {} : { messages_ready: ready, messages: ready + (running ?? 0) }),
  ...(running === undefined ? {} : { messages_unacknowledged: running }),
  ...more,
})
const bindings = [
  { source: 'a.commands', destination: 'a.b.one', destination_type: 'queue' },
  { source: 'a.commands', destination: 'a.c.one', destination_type: 'queue' },
  { source: 'a.commands', destination: 'all.logs', destination_type: 'exchange' },
  { source: 'a.dlx', destination: 'a.dlq', destination_type: 'queue' },
  { source: '', destination: 'a.dlq', destination_type: 'queue' },
]
const policy = { effective_policy_definition: { 'dead-letter-exchange': 'a.dlx' } }
const level = (ready: number | undefined) => queue('warren.delay.level.07', ready, 0)
const rows = (queues: object[], by: Record<string, Record<string, number>> = {}) => {
  const counts = countsOf(queues as never, bindings)
  const looked = new Map(Object.entries(by).map(([name, each]) => [name, new Map(Object.entries(each))]))
  return { counts, rows: counts.queues.map((each) => rowOf(each, counts, looked)) }
}

describe('warren queues', () => {
  it('lists queues bound to a commands exchange alone, with what RabbitMQ counts', () => {
    const found = rows([
      queue('a.c.one', 3, 1, policy),
      queue('a.b.one', 0, 0, policy),
      ...[queue('a.dlq', 0, 0), level(0), queue('strange', 9, 9), queue('warren.delay.unroutable', 2, 0)],
    ])
    expect(found.rows).toEqual([
      { queue: 'a.b.one', state: 'running', ready: 0, running: 0, delayed: 0, dead: 0 },
      { queue: 'a.c.one', state: 'running', ready: 3, running: 1, delayed: 0, dead: 0 },
    ])
    expect(found.counts).toMatchObject({ delayed: 0, unroutable: 2 })
  })

  it('knows nothing of a queue that is down, nor whose the delayed and the dead are', () => {
    const found = rows([
      { name: 'a.b.one', state: 'down' },
      ...[queue('a.c.one', 1, 0, policy), queue('a.dlq', 4, 1), level(5)],
    ])
    expect(found.rows).toEqual([
      { queue: 'a.b.one', state: 'down', ready: null, running: null, delayed: null, dead: null },
      { queue: 'a.c.one', state: 'running', ready: 1, running: 0, delayed: null, dead: null },
    ])
    expect(text(found.rows, found.counts).split('\n')).toEqual([
      'QUEUE    READY  RUNNING  DELAYED  DEAD',
      'a.b.one  ?      ?        ?        ?     down',
      'a.c.one  1      0        ?        ?',
      '',
      'delayed in total: 5',
      'a.dlq: 5 dead',
      '',
    ])
    expect(
      json(found.rows, found.counts)
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      ...found.rows.map((row) => ({ event: 'queue', ...row })),
      { event: 'deadLetters', queue: 'a.dlq', dead: 5 },
      { event: 'delayed', delayed: 5, unroutable: null },
    ])
  })

  it('counts the dead of each queue where they were looked through, and those delayed of the only queue', () => {
    const both = [queue('a.b.one', 0, 0), queue('a.c.one', 0, 0), queue('a.dlq', 3, 0), level(0)]
    expect(rows(both, { 'a.dlq': { 'a.c.one': 2, gone: 1 } }).rows.map(({ dead }) => dead)).toEqual([0, 2])
    expect(rows([queue('a.b.one', 0, 0), level(7)]).rows).toMatchObject([{ delayed: 7 }])
  })

  it('does not sum up what it does not know: a level without a count, no level, no dead-letter queue', () => {
    const queues = [queue('a.b.one', 0, 0), queue('a.c.one', 0, 0)]
    expect(rows([...queues, level(0), { name: 'warren.delay.level.08' }]).rows.map(({ delayed }) => delayed)).toEqual([
      null,
      null,
    ])
    expect(rows(queues).rows.map(({ delayed, dead }) => [delayed, dead])).toEqual([
      [0, null],
      [0, null],
    ])
  })
})

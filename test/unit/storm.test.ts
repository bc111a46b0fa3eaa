/** The pure parts of a storm: its faults come from its seed, and its checker finds each promise that is broken. */
import { describe, expect, it } from 'vitest'
import { Book, type StormEntry } from '../../drills/storm/book.js'
import { type Frozen, violations } from '../../drills/storm/check.js'
import { drawStorm, faultWords, type Gust } from '../../drills/storm/plan.js'

const gusts = (seed: number, count: number, sabotage?: 'no-fencing'): Gust[] => {
  const storm = drawStorm(seed, sabotage)
  return Array.from({ length: count }, () => storm.next().value)
}

describe('A storm', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(gusts(7, 50)).toEqual(gusts(7, 50))
    expect(gusts(8, 50)).not.toEqual(gusts(7, 50))
  })

  it('has every kind of fault sooner or later, several at once, and never two of nodes or two of workers', () => {
    const all = gusts(1, 300)
    const kinds = new Set(all.flatMap(({ faults }) => faults.map(({ fault }) => fault.kind)))
    expect(kinds.size).toBe(15)
    expect(Math.max(...all.map(({ faults }) => faults.length))).toBe(4)
    for (const { faults } of all) {
      const groups = faults.map(({ fault }) =>
        'node' in fault ? 'node' : /Worker/.test(fault.kind) ? 'worker' : fault.kind,
      )
      expect(new Set(groups).size).toBe(groups.length)
      for (const { fault } of faults) expect(faultWords(fault)).not.toBe('')
    }
  })

  it('fails the store over where it has a replica', () => {
    const kinds = (storeReplica: boolean) => {
      const storm = drawStorm(1, undefined, storeReplica)
      const drawn = Array.from({ length: 300 }, () => storm.next().value.faults.map(({ fault }) => fault.kind))
      return new Set(drawn.flat())
    }
    expect(kinds(false)).not.toContain('failStoreOver')
    expect(kinds(true)).toContain('failStoreOver')
  })

  it('freezes workers for long where late words are to be found out', () => {
    for (const { faults } of gusts(3, 20, 'no-fencing')) {
      expect(faults).toMatchObject([{ fault: { kind: 'freezeWorker', holdMs: 30_000 } }])
    }
  })
})

describe('The checker', () => {
  const ID = 'task-1'
  const success = (run: string): string => `{"status": "SUCCESS", "result": {"run": "${run}"}}`
  const run = (startedAt: number, acknowledgedAt?: number, worker = 'worker-1') => ({
    ...{ worker, startedAt, acknowledgedAt, outcome: acknowledgedAt === undefined ? undefined : 'succeeded' },
  })
  /** One task that all went well with, but for `change`. */
  const check = (
    change: Partial<StormEntry> = {},
    { frozen = [], ticks = [] }: { frozen?: Frozen[]; ticks?: string[] } = {},
  ): string[] => {
    const book = new Book()
    book.add(ID, { kind: 'plain', queue: 'user', confirmed: true, due: undefined })
    book.stored(ID, success('a'), 1_300)
    const entry = book.entries.get(ID) as StormEntry
    entry.runs.push(run(1_000, 1_200))
    Object.assign(entry, { handleEnd: 'SUCCESS', ...change })
    return violations(book, frozen, ticks).map(({ promise }) => promise)
  }

  it('finds nothing where nothing is broken', () => {
    expect(check()).toEqual([])
    expect(check({ due: 1_000 })).toEqual([])
    expect(check({ kind: 'cancelled', told: 'finished' })).toEqual([])
    expect(check({ runs: [run(900, undefined, 'worker-2'), run(1_000, 1_200)] })).toEqual([])
    expect(check({ kind: 'tick' }, { ticks: [ID] })).toEqual([])
    // It failed before, and was sent back.
    expect(check({ kind: 'redriven', handleEnd: 'TASK_FAILED' })).toEqual([])
  })

  it.each<[string, Partial<StormEntry>]>([
    ['nothing confirmed is lost', { status: undefined, firstSuccess: undefined, text: undefined }],
    ['nothing runs after its SUCCESS is stored', { runs: [run(1_000, 1_200), run(1_250, undefined, 'worker-2')] }],
    ['a SUCCESS never changes', { text: success('b') }],
    ['a SUCCESS never changes', { text: undefined }],
    ['nothing runs early', { due: 1_003 }],
    ['what was told cancelled did not succeed', { told: 'cancelled' }],
    ['what was told finished succeeded', { told: 'finished', status: 'REVOKED', firstSuccess: undefined }],
    ['every handle ends', { handleEnd: undefined }],
    ['only killers and tasks that fail are dead-lettered', { deadLettered: 'delivery-limit' }],
    [
      'what was sent back from the dead letters succeeds',
      { kind: 'redriven', status: 'FAILURE', deadLettered: 'failed', firstSuccess: undefined },
    ],
  ])('finds it broken that %s', (promise, change) => {
    expect(check(change)).toEqual([promise])
  })

  it('finds a tick that did not run, what nobody sent, and a send that never ended', () => {
    expect(check({}, { ticks: [ID, 'tick-2'] })).toEqual(['each tick of a schedule runs'])
    const book = new Book()
    book.begun = 1
    book.worker({ event: 'started', id: 'who', task: 'payment.storm.work', attempt: 1, worker: 'worker-1', at: 1 })
    expect(violations(book, [], []).map(({ promise }) => promise)).toEqual([
      'nothing runs that nobody sent',
      'every send ends',
    ])
  })

  it('lets pass what a frozen worker begins as it goes on, and what runs while the store is away', () => {
    const runs = [run(1_000, 1_200), run(5_100, undefined, 'worker-2')]
    const frozen = (worker: string, to: number): Frozen => ({ worker, from: 900, to })
    expect(check({ runs }, { frozen: [frozen('worker-2', 5_000)] })).toEqual([])
    expect(check({ runs }, { frozen: [frozen('all', 5_000)] })).toEqual([])
    expect(check({ runs }, { frozen: [frozen('worker-3', 5_000)] })).not.toEqual([])
    expect(check({ runs }, { frozen: [frozen('worker-2', 3_000)] })).not.toEqual([])
  })
})

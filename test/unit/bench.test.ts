import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseArguments } from '../../bench/arguments.js'
import { measures } from '../../bench/measures/index.js'
import { claim, Tally } from '../../bench/measures/measure.js'
import { paced } from '../../bench/pace.js'
import { chartOf, pageWith } from '../../bench/page.js'
import { summary } from '../../bench/profile.js'
import { report, sentence } from '../../bench/report.js'
import { joined, type Result, readResults } from '../../bench/results.js'
import { interleaved, median, quantile, ratios, spreadOf } from '../../bench/statistics.js'
import { repositoryRoot } from '../../cluster/index.js'

describe('A figure is the median of its rounds, beside its spread', () => {
  it('takes the middle value, or the mean of the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 2, 9])).toBe(3)
    expect(median([7])).toBe(7)
    expect(median([])).toBeNaN()
  })

  it('interpolates between values', () => {
    const hundred = Array.from({ length: 101 }, (_, index) => index)
    expect(quantile(hundred, 0.99)).toBe(99)
    expect(quantile([0, 10], 0.25)).toBe(2.5)
  })

  it('lies within the spread, whatever the order of the values', () => {
    const values = fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 })
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (some, q) => {
        const { min, max, median: middle } = spreadOf(some)
        expect(middle).toBeGreaterThanOrEqual(min)
        expect(middle).toBeLessThanOrEqual(max)
        expect(quantile([...some].reverse(), q)).toBe(quantile(some, q))
      }),
    )
  })

  it('compares round by round, as far as both have rounds', () => {
    expect(ratios([10, 40, 9], [5, 10])).toEqual([2, 4])
  })
})

it('Every rival has its turn in each round, A B A B', () => {
  const order = [...interleaved(2, ['a', 'b'])].map(({ round, contender }) => `${round}${contender}`)
  expect(order).toEqual(['1a', '1b', '2b', '2a'])
})

it('A tally keeps rounds apart by rival, situation and unit', () => {
  const tally = new Tally()
  const of = { rival: 'a', variant: 'v', unit: 'tasks/s', configuration: 'c' }
  tally.add(of, 1, { cpu: 10, none: undefined })
  tally.add({ ...of, rival: 'b' }, 5)
  tally.add(of, 3, { cpu: 30 })
  expect(tally.values('a', 'v')).toEqual([1, 3])
  expect(tally.series).toEqual([
    { ...of, values: [1, 3], details: { cpu: [10, 30] } },
    { ...of, rival: 'b', values: [5], details: {} },
  ])
  expect(tally.values('a', 'other')).toEqual([])
  expect(tally.compare('v', 'b', 'no Warren', { atLeast: 1 })).toEqual([])
  tally.add({ ...of, rival: 'warren' }, 10)
  expect(tally.compare('v', 'b', 'twice', { atLeast: 3 })).toEqual([
    { text: 'twice', values: [2], unit: '×', atLeast: 3, reached: false },
  ])
})

describe('A claim is judged by its median', () => {
  it('at least', () => {
    expect(claim('c', [0.1, 0.9, 5], '×', { atLeast: 0.9 }).reached).toBe(true)
    expect(claim('c', [0.1, 0.89, 5], '×', { atLeast: 0.9 }).reached).toBe(false)
  })
  it('at most', () => {
    expect(claim('c', [600], 'ms', { atMost: 600 }).reached).toBe(true)
    expect(claim('c', [601], 'ms', { atMost: 600 }).reached).toBe(false)
  })
  it('and is not reached by nothing', () => {
    expect(claim('c', [], '×', { atLeast: 0 }).reached).toBe(false)
  })
  it('says so', () => {
    expect(sentence(claim('Speed', [1, 2, 3], '×', { atLeast: 25 }))).toBe(
      'NOT REACHED: Speed: 2 × (1 to 3), wanted: at least 25',
    )
  })
})

it('Calls are paced by the clock, and what began late counts as late', async () => {
  let calls = 0
  const latencies = await paced({ count: 20, ratePerSecond: 1_000 }, async () => {
    calls++
  })
  expect(calls).toBe(20)
  expect(latencies).toHaveLength(20)
  expect(Math.min(...latencies)).toBeGreaterThanOrEqual(0)
})

it('A profile is told by package and by function, idle time left out', () => {
  const node = (id: number, functionName: string, url: string) => ({ id, callFrame: { functionName, url } })
  const text = summary([
    {
      nodes: [
        node(1, '(idle)', ''),
        node(2, 'publish', 'file:///clone/dist/src/producer.js'),
        node(3, 'encode', 'file:///clone/node_modules/amqplib/lib/codec.js'),
        node(4, '(garbage collector)', ''),
      ],
      samples: [1, 2, 3, 3, 4],
      timeDeltas: [1_000, 50, 20, 10, 20],
    },
  ])
  expect(text.split('\n')).toEqual([
    '   50.0 %  src/producer.js',
    '   30.0 %  amqplib',
    '   20.0 %  (garbage collector)',
    '',
    '   50.0 %  publish in src/producer.js',
    '   30.0 %  encode in amqplib',
    '   20.0 %  (garbage collector) in (garbage collector)',
  ])
})

describe('The command line', () => {
  it('takes all measures by default, each with its own rounds', () => {
    expect(parseArguments([])).toMatchObject({ measures, quick: false, rounds: undefined, dir: '.warren-bench' })
  })
  it('takes some', () => {
    const parsed = parseArguments(['--only', 'publish', '--only', 'backlog', '--quick', '--json', '--rounds', '3'])
    expect(parsed).toMatchObject({
      quick: true,
      json: true,
      rounds: 3,
      measures: [{ name: 'publish' }, { name: 'backlog' }],
    })
  })
  it('names everything that is wrong', () => {
    expect(parseArguments(['--only', 'publihs', '--rounds', '0'])).toEqual({
      problems: [
        'no measure is called publihs, did you mean `publish`?',
        'expected --rounds to be a whole number from 1 to 100, got: 0',
      ],
    })
    expect(parseArguments(['--fast'])).toMatchObject({ problems: [expect.stringContaining('--fast')] })
  })
})

describe('What is shown', () => {
  const result: Result = {
    measure: 'publish',
    does: 'Publishes.',
    takenAt: '2026-11-24T18:00:00.000Z',
    rounds: 2,
    quick: false,
    environment: {
      machine: { cpu: 'CPU', cores: 2, memoryGiB: 8, system: 'Debian', loadBefore: 0.5 },
      fsyncMs: { median: 1.5, p99: 4 },
      versions: { node: '20.20.2' },
      cluster: 'three nodes',
    },
    series: [
      {
        rival: 'warren',
        variant: 'quorum',
        unit: 'messages/s',
        configuration: 'defaults',
        values: [9_000, 11_000],
        details: {},
      },
      {
        rival: 'a & b',
        variant: 'quorum',
        unit: 'messages/s',
        configuration: 'by hand',
        values: [5_000, 6_000],
        details: {},
      },
    ],
    claims: [claim('Warren to a & b', [1.8, 1.83], '×', { atLeast: 2 })],
  }

  it('has machine, disk, versions and configuration beside every figure', () => {
    const text = report(result)
    for (const part of [
      '10,000 messages/s',
      '(9,000 to 11,000)',
      'defaults',
      '2 cores',
      'fsync of 4 KiB takes 1.50 ms',
    ]) {
      expect(text).toContain(part)
    }
    expect(text).toContain('NOT REACHED: Warren to a & b')
    expect(text).toContain('node 20.20.2')
  })

  it('can be added to what was measured before', () => {
    const more = { ...result, rounds: 1, series: result.series.map((each) => ({ ...each, values: [20_000] })) }
    const both = joined(result, { ...more, claims: [claim('Warren to a & b', [2.5], '×', { atLeast: 2 })] })
    expect(both.rounds).toBe(3)
    expect(both.series.map(({ values }) => values)).toEqual([
      [9_000, 11_000, 20_000],
      [5_000, 6_000, 20_000],
    ])
    expect(both.claims).toEqual([{ ...result.claims[0], values: [1.8, 1.83, 2.5] }])
  })

  it('is one chart, with text that XML can carry', () => {
    const svg = chartOf([result])
    expect(svg.match(/<rect /g)).toHaveLength(2)
    expect(svg).toContain('a &amp; b')
    expect(svg).not.toContain('a & b')
    expect(svg).toContain('10,000 messages/s')
  })

  it('in the documentation is what the results say', () => {
    const text = (name: string) => readFileSync(join(repositoryRoot(), 'docs', 'guide', name), 'utf8')
    const results = readResults()
    expect(results.length).toBeGreaterThan(0)
    expect(pageWith(text('benchmarks.md'), results)).toBe(text('benchmarks.md'))
    expect(chartOf(results)).toBe(text('benchmarks.svg'))
  })
})

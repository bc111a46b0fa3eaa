/** The pure parts of a soak: restarts are the same in each quarter, and whatever grows is found. */
import { describe, expect, it } from 'vitest'
import { soakPage } from '../../drills/index.js'
import { planRestarts, QUARTERS } from '../../drills/soak/plan.js'
import { compare, type Sample, SERIES_NAMES, type SeriesName } from '../../drills/soak/series.js'

const DURATION_MS = 60 * 60_000

/** A sample each 15 s, with one value for every series but those that `of` says otherwise. */
const samples = (of: Partial<Record<SeriesName, (atMs: number) => number | undefined>> = {}): Sample[] =>
  Array.from({ length: 240 }, (_, index) => {
    const atMs = index * 15_000
    const values = SERIES_NAMES.map((name) => [name, of[name] === undefined ? 1_000 : of[name](atMs)])
    return { atMs, values: Object.fromEntries(values.filter(([, value]) => value !== undefined)) }
  })

const grown = (all: readonly Sample[]): SeriesName[] =>
  compare(all, DURATION_MS)
    .filter(({ grew }) => grew)
    .map(({ name }) => name)

describe('A soak', () => {
  it('restarts the same kinds at the same part of each quarter, in order', () => {
    const restarts = planRestarts(DURATION_MS)
    const quarterMs = DURATION_MS / QUARTERS
    const kinds = (quarter: number) =>
      restarts
        .filter(({ atMs }) => Math.floor(atMs / quarterMs) === quarter)
        .map(({ atMs, name }) => [atMs % quarterMs, name.replace(/-\d$/, '')])
    expect(kinds(0).map(([, kind]) => kind)).toEqual(['worker', 'rabbitmq', 'haproxy', 'valkey'])
    for (const quarter of [1, 2, 3]) expect(kinds(quarter)).toEqual(kinds(0))
    expect(restarts.map(({ atMs }) => atMs)).toEqual(restarts.map(({ atMs }) => atMs).sort((a, b) => a - b))
    expect(new Set(restarts.map(({ name }) => name)).size).toBe(4 + 3 + 1 + 1)
  })

  it('passes what is flat, what warms up in the first quarter, what shrinks, and what moves about a mean', () => {
    expect(grown(samples())).toEqual([])
    expect(grown(samples({ workersMb: (atMs) => Math.min(atMs, DURATION_MS / 4) / 10_000 }))).toEqual([])
    expect(grown(samples({ keys: (atMs) => 5_000 - atMs / 1_000 }))).toEqual([])
    expect(grown(samples({ nodesMb: (atMs) => 1_000 + 200 * Math.sin(atMs / 60_000) }))).toEqual([])
  })

  it.each(SERIES_NAMES)('finds that %s grew by a tenth from the second quarter to the last', (name) => {
    expect(grown(samples({ [name]: (atMs: number) => 4_000 + (800 * atMs) / DURATION_MS }))).toEqual([name])
  })

  it('passes nothing that it did not see', () => {
    expect(grown(samples({ handles: (atMs) => (atMs < DURATION_MS / 2 ? 100 : undefined) }))).toEqual(['handles'])
    expect(grown([])).toEqual(SERIES_NAMES)
  })

  it('draws a page with every series, whose texts are escaped', () => {
    const all = samples()
    const page = soakPage({
      ...{ verdict: 'failed', reasons: ['<b>grew</b>'], minutes: 60, ratePerSecond: 40, startedAt: 0 },
      ...{ rabbitmqVersion: '4.3.6', tasks: { sent: 3, ended: 3, failed: 0 }, samples: all },
      ...{ comparisons: compare(all, DURATION_MS), restarts: [{ atMs: 1, text: 'restart "valkey"' }] },
    })
    for (const name of SERIES_NAMES) expect(page).toContain(`id="${name}"`)
    expect(page.match(/<polyline/g)).toHaveLength(SERIES_NAMES.length)
    expect(page).not.toContain('<b>grew')
    expect(page).not.toContain('NaN')
  })
})

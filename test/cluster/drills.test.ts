/** The promise: `warren drill` breaks a cluster of its own, and shows by a ledger that nothing confirmed was lost. */
import { rmSync } from 'node:fs'
import { afterAll, expect, it } from 'vitest'
import { drills, runDrills } from '../../drills/index.js'

const DIR = '.warren-drill-test'
afterAll(() => rmSync(DIR, { recursive: true, force: true }))

it('drills kill a worker, restart the store and block publishers, pass, and leave no process', async () => {
  const names = ['kill-worker', 'restart-store', 'memory-alarm']
  const said: string[] = []
  const outcomes = await runDrills({
    drills: drills.filter(({ name }) => names.includes(name)),
    dir: DIR,
    signal: new AbortController().signal,
    say: (line) => said.push(line),
    onOutcome: () => {},
  })
  expect(outcomes.map(({ drill, verdict, reasons }) => ({ name: drill.name, verdict, reasons }))).toEqual(
    names.map((name) => ({ name, verdict: 'passed', reasons: [] })),
  )
  for (const { counts } of outcomes) {
    expect(counts?.confirmed).toBeGreaterThan(500)
    expect(counts).toMatchObject({ stored: counts?.confirmed, lost: 0, unexpected: 0, afterStored: 0 })
  }
  expect(said.join('\n')).toContain('Killed worker-2')
}, 480_000)

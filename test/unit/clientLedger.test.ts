import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { openLedger, readLedger, sumRuns, totals } from '../../demo/ledger.js'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

describe('the ledger of handler runs', () => {
  it('sums up the files of all workers, and leaves out a torn last line', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'warren-ledger-'))
    folders.push(folder)
    const task = 'user.account.create'
    const first = openLedger(folder, 'worker-1')
    first.write({ event: 'started', id: 'a', task, attempt: 1 })
    first.write({ event: 'finished', id: 'a', task, attempt: 1, outcome: 'succeeded' })
    first.write({ event: 'settled', id: 'a', task, attempt: 1, outcome: 'succeeded', settled: 'acknowledged' })
    first.write({ event: 'started', id: 'b', task, attempt: 1 })
    first.close()
    // Killed while it wrote the next line.
    appendFileSync(first.path, '{"event":"finished","id":"b","ta')
    const second = openLedger(folder, 'worker-2')
    second.write({ event: 'started', id: 'b', task, attempt: 1 })
    second.write({ event: 'finished', id: 'b', task, attempt: 1, outcome: 'succeeded' })
    second.write({ event: 'settled', id: 'b', task, attempt: 1, outcome: 'succeeded', settled: 'lost' })
    second.write({ event: 'started', id: 'c', task, attempt: 1 })
    second.close()

    const runs = await sumRuns(readLedger(folder))
    expect(runs.get('a')).toMatchObject({ started: 1, finished: 1, acknowledged: 1, outcomes: { succeeded: 1 } })
    expect(runs.get('b')).toMatchObject({ started: 2, finished: 1, acknowledged: 0 })
    expect([...(runs.get('b')?.workers ?? [])].sort()).toEqual(['worker-1', 'worker-2'])
    expect(totals(runs)).toEqual({ ids: 3, started: 4, finished: 2, repeated: 1, unfinished: 1 })
  })
})

import { describe, expect, it } from 'vitest'
import type { LedgerEvent } from '../../demo/ledger.js'
import { Ledger } from '../../drills/ledger.js'
import type { QueueKey } from '../../drills/timeline.js'

const TASK = 'payment.invoice.create'

/** A ledger with one confirmed message, and a short way to write what workers did with it. */
function confirmedOne() {
  const ledger = new Ledger()
  const id = 'one'
  send(ledger, id, 'payment')
  const line = (worker: string, event: LedgerEvent, at: number, more: { outcome?: string; settled?: string } = {}) =>
    ledger.worker({ event, id, task: TASK, attempt: 1, worker, at, ...more })
  return { ledger, id, line }
}

function send(ledger: Ledger, id: string, queue: QueueKey): void {
  ledger.sent()
  ledger.confirmed(id, queue)
}

describe("a drill's ledger", () => {
  it('counts a confirmed message that is nowhere as lost, whatever workers say', () => {
    const { ledger, line } = confirmedOne()
    line('a', 'started', 1)
    line('a', 'finished', 2, { outcome: 'succeeded' })
    line('a', 'settled', 3, { outcome: 'succeeded', settled: 'acknowledged' })
    expect(ledger.counts()).toMatchObject({ confirmed: 1, run: 1, finished: 1, settled: 1, stored: 0, lost: 1 })
    expect(ledger.examples()[0]).toContain('a began it last and ended it as succeeded')
  })

  it('holds it for unsettled, not lost, while its queue holds messages', () => {
    const { ledger } = confirmedOne()
    expect(ledger.counts(new Set(['payment']))).toMatchObject({ lost: 0, unsettled: 1 })
    expect(ledger.counts(new Set(['user']))).toMatchObject({ lost: 1, unsettled: 0 })
  })

  it('accounts for what is stored and for what is dead-lettered, with the reason', () => {
    const { ledger, id } = confirmedOne()
    ledger.stored(id)
    ledger.deadLettered('two', 'user', 'expired')
    send(ledger, 'two', 'user')
    expect(ledger.counts()).toMatchObject({ stored: 1, deadLettered: 1, deadLetterReasons: { expired: 1 }, lost: 0 })
    expect([...ledger.unaccounted()]).toEqual([])
  })

  it('does not miss what was never confirmed, and remembers what its sender was told', () => {
    const ledger = new Ledger()
    for (let index = 0; index < 3; index++) ledger.sent()
    ledger.refused(undefined, 'user', 'UNROUTABLE')
    ledger.refused('three', 'user', 'UNCONFIRMED')
    expect(ledger.counts()).toMatchObject({
      ...{ sent: 3, confirmed: 0, lost: 0, open: 1, unexpected: 0 },
      refused: { UNROUTABLE: 1, UNCONFIRMED: 1 },
    })
  })

  it('tells runs that were cut off from runs after the result was stored', () => {
    const cut = confirmedOne()
    cut.line('a', 'started', 1)
    cut.line('b', 'started', 2)
    expect(cut.ledger.counts()).toMatchObject({ duplicated: 1, cutOff: 1, afterStored: 0 })

    const late = confirmedOne()
    late.line('a', 'started', 1)
    late.line('a', 'finished', 2, { outcome: 'succeeded' })
    late.line('a', 'settled', 3, { outcome: 'succeeded', settled: 'acknowledged' })
    late.line('b', 'started', 4)
    late.line('b', 'finished', 5, { outcome: 'succeeded' })
    expect(late.ledger.counts()).toMatchObject({ duplicated: 1, cutOff: 0, afterStored: 1 })
  })

  it('does not count an attempt that found its message done as a run', () => {
    const { ledger, line } = confirmedOne()
    line('a', 'started', 1)
    line('a', 'finished', 2, { outcome: 'succeeded' })
    line('a', 'settled', 3, { outcome: 'succeeded', settled: 'acknowledged' })
    line('b', 'started', 4)
    line('b', 'finished', 5, { outcome: 'alreadyDone' })
    expect(ledger.counts()).toMatchObject({ run: 1, runs: 1, duplicated: 0 })
  })

  it('takes what workers write before the send has ended', () => {
    const ledger = new Ledger()
    ledger.sent()
    ledger.worker({ event: 'started', id: 'early', task: TASK, attempt: 1, worker: 'a', at: 1 })
    expect(ledger.counts().run).toBe(0)
    ledger.confirmed('early', 'payment')
    expect(ledger.counts()).toMatchObject({ run: 1, unexpected: 0 })
  })

  it('notices what ran and was never sent, and ignores what the drill before left', () => {
    const ledger = new Ledger(new Set(['left']))
    for (const id of ['stranger', 'left']) {
      ledger.worker({ event: 'started', id, task: TASK, attempt: 1, worker: 'a', at: 1 })
    }
    expect(ledger.counts().unexpected).toBe(1)
    expect(ledger.examples()).toEqual(['stranger (payment queue): it was never sent'])
  })
})

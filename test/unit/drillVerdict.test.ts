import { describe, expect, it } from 'vitest'
import type { Drill, Evidence } from '../../drills/drill.js'
import { reportPage } from '../../drills/index.js'
import { Ledger } from '../../drills/ledger.js'
import { QUEUE_KEYS, Timeline } from '../../drills/timeline.js'
import { judge } from '../../drills/verdict.js'

const drill: Drill = { name: 'nothing', does: 'Does nothing.', holds: 'Nothing breaks.', fault: async () => {} }
const NOW = 1_800_000_000_000

/** Ten seconds of 100 messages a second on both queues, all stored. */
function good(): { evidence: Evidence; ledger: Ledger } {
  const ledger = new Ledger()
  const timeline = new Timeline(NOW)
  for (let index = 0; index < 1_000; index++) {
    for (const queue of QUEUE_KEYS) {
      const id = `${queue}-${index}`
      ledger.sent()
      ledger.confirmed(id, queue)
      ledger.stored(id)
      timeline.count('confirmed', queue, NOW + index * 10)
      timeline.count('finished', queue, NOW + index * 10)
    }
  }
  const evidence = {
    ...{ ledger, timeline, plan: { ratePerQueue: 100, taskMs: 10 }, counts: ledger.counts(), numbers: new Map() },
    ...{ from: NOW, to: NOW + 10_000, faultAt: NOW + 3_000, repairAt: NOW + 4_000 },
  }
  return { evidence, ledger }
}

describe("a drill's verdict", () => {
  it('passes when every message is accounted for', () => {
    expect(judge(drill, good().evidence, [])).toEqual({ verdict: 'passed', reasons: [] })
  })

  it.each([
    ['lost', (ledger: Ledger) => confirmed(ledger), '1 message lost'],
    [
      'dead-lettered',
      (ledger: Ledger) => ledger.deadLettered(confirmed(ledger), 'user', 'expired'),
      '1 message dead-lettered',
    ],
    ['never told', (ledger: Ledger) => ledger.sent(), 'without ever reporting an end'],
  ])('fails for a message that is %s', (_what, spoil, expected) => {
    const { evidence, ledger } = good()
    spoil(ledger)
    const { verdict, reasons } = judge(drill, { ...evidence, counts: ledger.counts() }, [])
    expect(verdict).toBe('failed')
    expect(reasons.join('\n')).toContain(expected)
  })

  it.each([
    ['user', 'expired', 'passed'],
    ['payment', 'expired', 'failed'],
    ['user', 'failed', 'failed'],
  ] as const)(
    'where accounts may expire, one of the %s queue that is dead-lettered as %s: %s',
    (queue, reason, expected) => {
      const { evidence, ledger } = good()
      ledger.sent()
      ledger.confirmed('dead', queue)
      ledger.deadLettered('dead', queue, reason)
      const allowing: Drill = { ...drill, deadLetters: 'expired' }
      expect(judge(allowing, { ...evidence, counts: ledger.counts() }, []).verdict).toBe(expected)
    },
  )

  it('fails for surprises, for rates that stay down, for broken promises of its own, and without any load', () => {
    const { evidence } = good()
    const own: Drill = { ...drill, check: () => ['its own promise is broken'] }
    expect(judge(own, evidence, ['worker-1 ended by itself']).reasons).toEqual([
      'its own promise is broken',
      'worker-1 ended by itself',
    ])
    expect(judge(drill, { ...evidence, repairAt: NOW + 9_500 }, []).reasons).toEqual(['the rates never recovered'])
    const empty = new Ledger()
    expect(judge(drill, { ...evidence, ledger: empty, counts: empty.counts() }, []).reasons[0]).toContain(
      'shows nothing',
    )
  })
})

describe("the drills' report", () => {
  it('is one page that needs nothing else, and escapes what it shows', () => {
    const { evidence } = good()
    const evil = '<script>alert("1")</script>'
    evidence.timeline.mark('fault', evil, NOW + 3_000)
    const page = reportPage(
      [
        {
          ...{ drill: { ...drill, does: evil }, verdict: 'failed', reasons: [evil], remarks: [evil], startedAt: NOW },
          ...{ seconds: 12, plan: evidence.plan, counts: evidence.counts, pauses: undefined, recoveryMs: 400 },
          ...{ chart: evidence.timeline.chart(NOW, NOW + 10_000), marks: evidence.timeline.marks },
        },
      ],
      { startedAt: NOW, sabotage: 'early-ack', rabbitmqVersion: '3.10.8' },
    )
    expect(page).not.toContain('<script')
    expect(page).not.toMatch(/\b(?:src|href)="(?!#)/)
    expect(page).toContain('1 of 1 drills failed')
    expect(page).toContain('Broken on purpose (early-ack)')
    expect(page).toContain('<polyline class="payment"')
  })
})

function confirmed(ledger: Ledger): string {
  ledger.sent()
  ledger.confirmed('one more', 'user')
  return 'one more'
}

import { describe, expect, it } from 'vitest'
import { accountInput, durations, invoiceInput } from '../../demo/payloads.js'
import { createAccount, createInvoice } from '../../demo/tasks.js'
import { workerSettings } from '../../demo/worker.js'

describe('the demo', () => {
  it('makes payloads that fit their tasks and differ from each other', async () => {
    const seen = new Set<string>()
    for (let index = 0; index < 2_000; index++) {
      const account = accountInput(index, 0.1)
      seen.add(account.email)
      expect(await createAccount.input['~standard'].validate(account)).not.toHaveProperty('issues')
      expect(await createInvoice.input['~standard'].validate(invoiceInput(index, 0.1))).not.toHaveProperty('issues')
    }
    expect(seen.size).toBe(2_000)
  })

  it('draws random durations uniformly from 0 to twice the mean', () => {
    const draw = durations(0.5, true)
    const drawn = Array.from({ length: 20_000 }, draw)
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...drawn)).toBeLessThanOrEqual(1)
    expect(drawn.reduce((sum, each) => sum + each, 0) / drawn.length).toBeCloseTo(0.5, 1)
    expect(durations(3600, true, () => 0.99)()).toBe(3600)
    expect(durations(0.1, false)()).toBe(0.1)
  })

  it('names everything wrong with a worker’s environment, and no password', () => {
    const settings = workerSettings({
      WARREN_BROKER: 'amqp://a:secret@h,http://b:secret@h',
      WARREN_RESULTS: '',
      WARREN_PREFETCH: '0',
      WARREN_HTTP_PORT: '70000',
      WARREN_LOG_LEVEL: 'loud',
    })
    expect(settings).toHaveProperty('problems')
    const text = JSON.stringify(settings)
    for (const name of ['WARREN_BROKER', 'WARREN_RESULTS', 'WARREN_PREFETCH', 'WARREN_HTTP_PORT', 'WARREN_LOG_LEVEL']) {
      expect(text).toContain(name)
    }
    expect(text).not.toContain('secret')
  })
})

import { hostname } from 'node:os'
import { describe, expect, it } from 'vitest'
import { jsonLogger } from '../../src/observe/jsonLogger.js'

function logged(level: 'debug' | 'info' | 'warn' | 'error', fields: object): Record<string, unknown>[] {
  const lines: string[] = []
  jsonLogger((line) => lines.push(line))[level](fields, 'it happened')
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('The logger of those who bring none', () => {
  it("writes one line of JSON with pino's keys", () => {
    const [line] = logged('warn', { queue: 'a.b' })
    const { time, ...rest } = line ?? {}
    expect(rest).toEqual({
      level: 40,
      pid: process.pid,
      hostname: hostname(),
      name: 'warren',
      queue: 'a.b',
      msg: 'it happened',
    })
    expect(time).toBeTypeOf('number')
    expect(logged('info', {})[0]?.level).toBe(30)
    expect(logged('error', {})[0]?.level).toBe(50)
  })

  it('does not write what is for debugging', () => {
    expect(logged('debug', {})).toEqual([])
  })

  it('writes errors with their text and fields, and integers of any size', () => {
    const err = Object.assign(new RangeError('too large'), { code: 'E_RANGE' })
    expect(logged('error', { err, size: 2n ** 70n })[0]).toMatchObject({
      err: { type: 'RangeError', message: 'too large', stack: expect.stringContaining('too large'), code: 'E_RANGE' },
      size: String(2n ** 70n),
    })
  })

  const thrower = (): never => {
    throw new Error('no')
  }
  const cycle: { self?: object } = {}
  cycle.self = cycle

  it.each([
    ['a cycle', { cycle }],
    ['a getter that throws', { inner: Object.defineProperty({}, 'x', { enumerable: true, get: thrower }) }],
    ['a toJSON that throws', { inner: { toJSON: thrower } }],
    ['a getter of its own that throws', Object.defineProperty({}, 'x', { enumerable: true, get: thrower })],
  ])('writes the message all the same with %s among the fields', (_, fields) => {
    expect(logged('error', fields)).toEqual([expect.objectContaining({ level: 50, msg: 'it happened' })])
  })
})

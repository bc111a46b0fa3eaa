/** Loggers are users' code: which ones are taken, and that none can hurt. */
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { childLogger, containedLogger } from '../../src/observe/contained.js'
import { isLogger, type Logger, silentLogger } from '../../src/task/logger.js'

const refuse = (): never => {
  throw new Error('no')
}
class Classic {
  readonly lines: unknown[] = []
  debug(fields: object, message: string): void {
    this.lines.push(['debug', fields, message])
  }
  info(fields: object, message: string): void {
    this.lines.push(['info', fields, message])
  }
  warn(fields: object, message: string): void {
    this.lines.push(['warn', fields, message])
  }
  error(fields: object, message: string): void {
    this.lines.push(['error', fields, message])
  }
}
const through = { write: () => undefined }

describe('A logger is', () => {
  it.each<[string, unknown]>([
    ["pino's", pino(through)],
    ["a child of pino's", pino(through).child({ a: 1 })],
    ['the console', console],
    ['an instance of a class', new Classic()],
    ['one whose levels are getters', Object.defineProperty(new Classic(), 'warn', { get: () => () => undefined })],
    ['a function with methods', Object.assign(() => undefined, silentLogger)],
  ])('%s', (_what, value) => {
    expect(isLogger(value)).toBeUndefined()
  })

  it.each<[string, unknown, string]>([
    ['lacks levels', { info() {}, error() {} }, 'missing: debug, warn'],
    ['has a level that is no function', { ...silentLogger, warn: true }, 'missing: warn'],
    [
      'has a level that cannot be read',
      Object.defineProperty({ ...silentLogger }, 'error', { get: refuse }),
      'missing: error',
    ],
    ['is text', 'info', 'missing: debug, info, warn, error'],
    ['is true', true, 'missing: debug, info, warn, error'],
    ['is null', null, 'missing: debug, info, warn, error'],
    ['is a list', [], 'missing: debug, info, warn, error'],
  ])('not what %s', (_what, value, missing) => {
    expect(isLogger(value)).toContain(missing)
  })
})

describe('A contained logger', () => {
  it('passes lines on, as methods of the logger, at the level that it has then', () => {
    const classic = new Classic()
    const log = containedLogger(classic)
    log.warn({ a: 1 }, 'first')
    classic.warn = (fields, message) => void classic.lines.push(['replaced', fields, message])
    log.warn({ a: 2 }, 'second')
    expect(classic.lines).toEqual([
      ['warn', { a: 1 }, 'first'],
      ['replaced', { a: 2 }, 'second'],
    ])
  })

  it('throws nothing and leaves no rejection behind', async () => {
    const rejections: unknown[] = []
    const seen = (reason: unknown): void => void rejections.push(reason)
    process.on('unhandledRejection', seen)
    const rejects = (async () => refuse()) as unknown as Logger['warn']
    for (const level of [
      refuse,
      rejects,
      () => Object.defineProperty({}, 'then', { value: refuse }),
      () => Object.defineProperty({}, 'then', { get: refuse }),
    ]) {
      const log = containedLogger({ ...silentLogger, warn: level, child: refuse })
      expect(() => log.warn({}, 'a line')).not.toThrow()
      expect(() => childLogger(log, { id: 1 }).warn({}, 'a line')).not.toThrow()
    }
    // Rejections are reported after the microtasks of this turn.
    await new Promise(setImmediate)
    process.off('unhandledRejection', seen)
    expect(rejections).toEqual([])
  })
})

describe('A child logger adds its fields to each line', () => {
  it("by the logger's own way", () => {
    const lines: unknown[] = []
    const log = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(JSON.parse(line)) })
    childLogger(containedLogger(log), { id: 'a', attempt: 2 }).warn({ more: true }, 'text')
    expect(lines).toEqual([{ level: 40, id: 'a', attempt: 2, more: true, msg: 'text' }])
  })

  it.each<[string, Partial<Logger>]>([
    ['that has no children', {}],
    ['whose children throw', { child: refuse }],
    ['whose children are none', { child: () => ({ info() {} }) }],
  ])('also of a logger %s', (_what, part) => {
    const classic = Object.assign(new Classic(), part)
    const log = childLogger(classic, { id: 'a', attempt: 2 })
    log.info({ attempt: 3 }, 'text')
    childLogger(log, { deeper: 1 }).debug({}, 'text')
    expect(classic.lines).toEqual([
      ['info', { id: 'a', attempt: 3 }, 'text'],
      ['debug', { id: 'a', attempt: 2, deeper: 1 }, 'text'],
    ])
  })
})

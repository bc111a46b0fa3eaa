import { describe, expect, it } from 'vitest'
import { CLIENT_HELP, type ClientOptions, parseClientArguments } from '../../demo/clientArguments.js'

const options = (line: string): ClientOptions => {
  const parsed = parseClientArguments(line.split(' ').filter((word) => word !== ''))
  if (parsed.kind !== 'run') throw new Error(JSON.stringify(parsed))
  return parsed.options
}
const sentence = (line: string): string => {
  const parsed = parseClientArguments(line.split(' ').filter((word) => word !== ''))
  return parsed.kind === 'wrong' ? parsed.sentence : `accepted: ${JSON.stringify(parsed)}`
}

describe('the client reads its command line', () => {
  it('takes N and SECONDS', () => {
    expect(options('1000 0.1')).toMatchObject({ count: 1000, seconds: 0.1, quorum: false, random: false, time: false })
    expect(options('1000 0.1').repeatAfter).toBeUndefined()
    expect(options('1000000000 3600')).toMatchObject({ count: 1e9, seconds: 3600 })
    expect(options('1 0')).toMatchObject({ count: 1, seconds: 0 })
    expect(options('1 .5')).toMatchObject({ seconds: 0.5 })
  })

  it('takes options before, between and after them, with = or a space', () => {
    const expected = { count: 400, seconds: 0.1, quorum: true, repeatAfter: 1, time: true, json: true, random: true }
    expect(options('--quorum --repeat-after 1 --time --json --random 400 0.1')).toMatchObject(expected)
    expect(options('400 --quorum 0.1 --time --json --random --repeat-after=1')).toMatchObject(expected)
    expect(options('--broker amqp://a,amqp://b --results redis://c 1 1')).toMatchObject({
      broker: ['amqp://a', 'amqp://b'],
      results: 'redis://c',
    })
    expect(options('-- 1 1')).toMatchObject({ count: 1 })
  })

  it('shows help whatever else is given', () => {
    expect(parseClientArguments(['--help'])).toEqual({ kind: 'help' })
    expect(parseClientArguments(['-h', '5', '5', '5'])).toEqual({ kind: 'help' })
  })

  it.each([
    ['', 'expected two arguments, N and SECONDS, got: nothing'],
    ['10', 'expected two arguments, N and SECONDS, got: 10'],
    ['1 2 3', 'expected two arguments, N and SECONDS, got 3: 1 2 3'],
    ['-5 0.1', 'expected N to be a whole number from 1 to 1000000000, got: -5'],
    ['0 0.1', 'expected N to be a whole number'],
    ['1.5 0.1', 'expected N to be a whole number'],
    ['1e3 0.1', 'expected N to be a whole number'],
    ['0x10 0.1', 'expected N to be a whole number'],
    ['1000000001 1', 'expected N to be a whole number'],
    ['99999999999999999999 1', 'expected N to be a whole number'],
    ['NaN 1', 'got: NaN'],
    ['ten 1', 'got: ten'],
    ['10 -1', 'expected SECONDS to be a number from 0 to 3600, got: -1'],
    ['10 3601', 'expected SECONDS to be a number from 0 to 3600, got: 3601'],
    ['10 Infinity', 'expected SECONDS'],
    ['10 -Infinity', 'expected SECONDS'],
    ['10 NaN', 'expected SECONDS'],
    ['--repeat-after 0 1 1', 'expected --repeat-after to be a number from 0.1 to 86400, got: 0'],
    ['--repeat-after soon 1 1', 'expected --repeat-after'],
    ['1 1 --repeat-after', 'expected a value after --repeat-after, got nothing'],
    ['1 1 --timeout=', 'expected a value after --timeout'],
    ['--timeout -1 1 1', 'expected --timeout'],
    ['--quorum=yes 1 1', 'expected --quorum without a value'],
    ['--quorom 1 1', 'expected a known option, got: --quorom, did you mean `--quorum`? See warren client --help'],
    ['--repeat 1 1 1', 'expected a known option, got: --repeat'],
    ['-x 1 1', 'expected a known option, got: -x'],
  ])('answers "%s" with a sentence that ends in what to do', (line, expected) => {
    expect(sentence(line)).toContain(expected)
    expect(sentence(line)).toMatch(/[;?] [sS]ee warren client --help$/)
  })

  it('documents every option that it takes', () => {
    for (const option of [
      '--quorum',
      '--random',
      '--repeat-after',
      '--time',
      '--timeout',
      '--json',
      '--broker',
      '--results',
      '--dir',
      '--help',
    ]) {
      expect(CLIENT_HELP).toContain(`${option} `)
    }
  })
})

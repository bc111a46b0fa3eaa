/** Which service's schedules are meant, and what is no token. */
import { expect, it } from 'vitest'
import { decodeToken, encodeToken, type Token } from '../../src/time/token.js'
import { Warren } from '../../src/warren.js'

const unopened = (results?: string): Warren => new Warren({ broker: 'amqp://localhost', results, logger: false })

it('without a store there are no schedules', () => {
  expect(() => unopened().schedules({ service: 'a' })).toThrow(expect.objectContaining({ code: 'NO_RESULT_STORE' }))
})

it('the service is the one that is named, or that of the workers made here', () => {
  const warren = unopened('redis://localhost')
  expect(warren.schedules({ service: 'a' }).service).toBe('a')
  expect(() => warren.schedules()).toThrow(/expected `service`.*this connection has no worker/)
  warren.worker({ service: 'billing' })
  warren.worker({ service: 'billing' })
  expect(warren.schedules().service).toBe('billing')
  warren.worker({ service: 'mail' })
  expect(() => warren.schedules()).toThrow(/expected `service`.*workers of billing, mail/)
  expect(() => warren.schedules({ service: '' })).toThrow(/`service` to be up to 50 letters/)
  expect(() => warren.schedules({ services: 'a' } as never)).toThrow(
    /unknown option `services`, did you mean `service`/,
  )
})

const token: Token = {
  ...{ schedule: 's', generation: 1, order: { tick: 2, hop: 0 }, progress: { ran: null, waiting: null }, paused: null },
  ...{ due: 2 },
  definition: {
    ...{ task: 'a.b', input: {}, cron: '* * * * *', timeZone: 'UTC', overlap: 'allow', catchUp: 'latest' },
    ...{ catchUpWindowMs: 1, jitterMs: 0 },
  },
}

it('a token is read as it was written', () => {
  expect(decodeToken(encodeToken(token, 'id').content)).toEqual(token)
})

it.each([
  ['no JSON', '{'],
  ['nothing', 'null'],
  ['a list', '[]'],
  ['a task', '[[],{},{}]'],
  ['one without a definition', JSON.stringify({ ...token, definition: undefined })],
  ['one whose tick is text', JSON.stringify({ ...token, order: { tick: '2', hop: 0 } })],
])('%s is no token', (_, text) => {
  expect(() => decodeToken(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'INVALID_MESSAGE' }))
})

/** The promise: no part of an address that may be secret is in an error. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseAddresses, parseStoreUrl, redacted } from '../../src/amqp/address.js'
import { connect, OptionsError, storeOptions } from '../../src/index.js'
import { parseStoreAddress } from '../../src/results/storeAddress.js'

const thrown = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return error
  }
}
const everything = (error: unknown): string => inspect(error, { depth: 9, showHidden: true })

describe('What is no address', () => {
  it.each([
    'amqp://user:S3%ZZCRET@host',
    'amqp://S3%ZZCRET:pass@host',
    'amqp://user:pass@host/S3%ZZCRET',
    'amqp://user:%FFS3CRET@host',
    'amqp://user:12/S3CRET@host:5672/v',
    'amqp://user:1?S3CRET@host',
    'amqp://user:1#S3CRET@host',
    'amqp://user:S3CRET@host:99999',
    'amqp://user:S3CRET@',
    'amqp://user:S3CRET@[::1',
    'http://user:S3CRET@host',
    'amqp:user:S3CRET@host',
    'S3CRET',
    '',
  ])('%j', (text) => {
    const error = thrown(() => parseAddresses('connect: broker', text))
    expect(error).toBeInstanceOf(OptionsError)
    expect(everything(error)).not.toMatch(/S3|CRET/)
  })

  it('as one of several, which is named by its place', () => {
    const error = thrown(() => parseAddresses('connect: broker', ['amqp://u:S3CRET@host', 'S3CRET']))
    expect(String(error)).toContain('connect: broker[1]')
    expect(everything(error)).not.toContain('S3CRET')
  })

  it.each([[['amqp://u:S3CRET@host', undefined]], [['amqp://u:S3CRET@host', 5]], [{ url: 'amqp://u:S3CRET@host' }]])(
    'a list or an object with one in it: %#',
    async (broker) => {
      const error = await connect({ broker: broker as never }).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(OptionsError)
      expect(everything(error)).not.toContain('S3CRET')
    },
  )

  it.each(['redis://:1/S3CRET@host', 'http://:S3CRET@host', 'S3CRET'])('of a store: %j', (text) => {
    const error = thrown(() => parseStoreUrl('connect: results', text))
    expect(error).toBeInstanceOf(OptionsError)
    expect(everything(error)).not.toContain('S3CRET')
  })
})

describe('What is one', () => {
  it.each([
    ['amqp://host', 'guest', 'guest', '/', 'amqp://host:5672'],
    ['amqp://u%40x:p%2F%3F%23%40%3A%25@host/a%2Fb', 'u@x', 'p/?#@:%', 'a/b', 'amqp://host:5672/a%2Fb'],
    ['amqps://u:p@[::1]', 'u', 'p', '/', 'amqps://[::1]:5671'],
    ['amqp://u@host:1/%2F', 'u', '', '/', 'amqp://host:1'],
    ['amqp://u:p@host/100%25', 'u', 'p', '100%', 'amqp://host:5672/100%25'],
  ])('%s', (text, username, password, vhost, shown) => {
    const [address] = parseAddresses('connect: broker', text)
    expect(address).toMatchObject({ username, password, vhost })
    expect(address && redacted(address)).toBe(shown)
  })
})

describe('The address of Sentinels', () => {
  it('names hosts, the primary, and who signs in at the servers', () => {
    const address = parseStoreAddress('connect: results', 'sentinel://us%2Fer:pa%3Ass@s1:26380,s2,[::1]:1/my-store/3')
    expect(address).toEqual({
      shown: 'sentinel://s1:26380,s2:26379,[::1]:1/my-store/3',
      options: {
        sentinels: [
          { host: 's1', port: 26_380 },
          { host: 's2', port: 26_379 },
          { host: '::1', port: 1 },
        ],
        ...{ name: 'my-store', username: 'us/er', password: 'pa:ss', db: 3 },
      },
    })
    expect(storeOptions('sentinels://:geheim@s1/results')).toEqual({
      sentinels: [{ host: 's1', port: 26_379 }],
      ...{ name: 'results', password: 'geheim', tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true },
    })
  })

  it.each([
    'sentinel://u:S3CRET@s1',
    'sentinel://u:S3CRET@s1/',
    'sentinel://u:S3CRET@s1,/results',
    'sentinel://u:S3CRET@/results',
    'sentinel://u:S3CRET@s1:99999/results',
    'sentinel://u:S3CRET@s1/results/x',
    'sentinel://u:S3/CRET@s1/results',
    'sentinel://u:S3@CRET@s1/results',
    'sentinel://u:S3%ZZCRET@s1/results',
    'sentinel:u:S3CRET@s1/results',
  ])('is refused, and not shown: %j', (text) => {
    const error = thrown(() => parseStoreAddress('connect: results', text))
    expect(error).toBeInstanceOf(OptionsError)
    expect(everything(error)).not.toMatch(/S3|CRET/)
  })

  it('says of one server what a client takes', () => {
    expect(storeOptions('valkeys://user:pa%3Ass@[::1]:1/2')).toEqual({
      ...{ host: '::1', port: 1, username: 'user', password: 'pa:ss', db: 2, tls: {} },
    })
    expect(storeOptions('redis://host')).toEqual({ host: 'host', port: 6379 })
  })
})

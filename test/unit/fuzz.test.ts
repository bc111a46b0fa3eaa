/** The fuzzer's own parts: the same messages from the same seed, and the least that breaks something. */
import { expect, it } from 'vitest'
import { text } from '../../fuzz/fields.js'
import { batchOf } from '../../fuzz/index.js'
import { headerFrame, plainMessage } from '../../fuzz/messages.js'
import { shrink, simplerMessages } from '../../fuzz/shrink.js'
import { readProperties } from '../../src/amqp/codec.js'

it('a seed makes the same kinds of messages each time, and another seed makes others', () => {
  const shape = (seed: number) =>
    batchOf(seed, 0, 50).map(({ queue, route, headers }) => [queue, route, headers.map(([name]) => name)])
  expect(shape(7)).toEqual(shape(7))
  expect(shape(8)).not.toEqual(shape(7))
})

it('what is written is what a reader finds', () => {
  const frame = headerFrame({ ...plainMessage, headers: [['x', text('y')]] }, 'fz~000000001~', 'fuzz.quorum.run')
  expect(readProperties(frame, 12, frame.length)).toEqual({
    ...{ contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2, appId: 'fz~000000001~' },
    headers: { task: 'fuzz.quorum.run', id: 'fz~000000001~', x: 'y' },
  })
})

it('of 300 messages the one that breaks something is found, without the parts that do not matter', async () => {
  const bad = ['x-bad', text('!')] as const
  const all = batchOf(1, 0, 300).map((each, index) =>
    index === 217 ? { ...each, headers: [['other', text('1')] as const, bad, ['more', text('2')] as const] } : each,
  )
  const least = await shrink(
    all,
    simplerMessages,
    async (some) => some.some(({ headers }) => headers.includes(bad)),
    500,
  )
  expect(least).toEqual([{ ...plainMessage, headers: [bad] }])
})

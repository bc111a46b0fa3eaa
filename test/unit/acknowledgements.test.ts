/** Acknowledgements: sent together, and those that may wait do so only where many come. */
import type { Channel, ConsumeMessage } from 'amqplib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Acknowledgements } from '../../src/work/acknowledgements.js'
import { FakeClock } from '../support/harness/index.js'

let clock: FakeClock
let acks: Acknowledgements
let sent: [tag: number, multiple: boolean][]
beforeEach(() => {
  clock = new FakeClock()
  sent = []
  acks = new Acknowledgements({
    ack: ({ fields }: ConsumeMessage, multiple = false) => sent.push([fields.deliveryTag, multiple]),
  } as unknown as Channel)
})
afterEach(() => clock.stop())

const ack = (from: number, to: number, mayWait: boolean): void => {
  for (let tag = from; tag <= to; tag++) acks.ack({ fields: { deliveryTag: tag } } as ConsumeMessage, mayWait)
}

it('few are sent at the end of the turn, whether or not they may wait', async () => {
  ack(1, 3, true)
  expect(acks.unsent).toBe(3)
  await clock.settle()
  expect(sent).toEqual([[3, true]])
  expect(clock.timers).toBe(0)
})

it('of many, those that may wait do so for others, for a moment', async () => {
  ack(1, 5, true)
  await clock.settle()
  expect(sent).toEqual([[5, true]])
  ack(6, 8, true)
  await clock.settle()
  expect([sent.length, acks.unsent]).toEqual([1, 3])
  await clock.advance(25)
  expect(sent).toEqual([
    [5, true],
    [8, true],
  ])
  expect(clock.timers).toBe(0)
})

it('and not once there are enough, one may not wait, or the channel is to be closed', async () => {
  ack(1, 5, true)
  await clock.settle()
  ack(6, 40, true)
  await clock.settle()
  ack(41, 42, true)
  await clock.settle()
  ack(43, 43, false)
  await clock.settle()
  ack(44, 44, true)
  acks.flush()
  expect(sent).toEqual([5, 40, 43, 44].map((tag) => [tag, true]))
})

it('where few come again, nothing waits any more', async () => {
  ack(1, 5, true)
  await clock.advance(100)
  ack(6, 6, true)
  await clock.settle()
  expect(sent).toEqual([
    [5, true],
    [6, true],
  ])
})

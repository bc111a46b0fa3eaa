/** Sending under an id of the caller's begins a run: the message carries it, and the store is told first. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import type { Delayed } from '../../src/send/delayed.js'
import type { Producer } from '../../src/send/producer.js'
import { Sender } from '../../src/send/sender.js'
import { localClock } from '../../src/time/clock.js'
import { headers } from '../../src/wire/names.js'
import { FakeStore } from '../support/harness/store.js'

const task = defineTask({ name: 'unit.runs.task', input: z.object({}) })

function sending() {
  const store = new FakeStore()
  const told: string[] = []
  const published: { id: string; run: unknown }[] = []
  const begin = store.begin
  store.begin = (id, run) => {
    told.push(`begin ${id} ${run}`)
    return begin(id, run)
  }
  const publish: Pick<Producer, 'publish'>['publish'] = async ({ id, message }) => {
    const run = (message.properties.headers as Record<string, unknown>)[headers.run]
    published.push({ id, run })
    told.push(`publish ${id} ${run}`)
  }
  const producer = { publish } as unknown as Producer
  const sender = new Sender({
    producer,
    delayed: { clock: localClock } as Delayed,
    results: store.asResults(),
    replyTo: undefined,
    confirmTimeoutMs: 1_000,
    maxMessageBytes: 1_000,
  })
  return { sender, told, published }
}

describe('A run', () => {
  it('begins in the store before its message is published', async () => {
    const { sender, told, published } = sending()
    const before = Date.now()
    await sender.send(task, {}, { id: 'mine' })
    const run = published[0]?.run
    expect(run).toBeGreaterThanOrEqual(before)
    expect(told).toEqual([`begin mine ${run}`, `publish mine ${run}`])
  })

  it('is nothing for a message of its own id: nobody can have sent it before', async () => {
    const { sender, told } = sending()
    const { id } = await sender.send(task, {})
    expect(told).toEqual([`publish ${id} undefined`])
  })
})

describe('The state of a task by its id alone', () => {
  it('is what the store holds, and needs a store', async () => {
    const { sender } = sending()
    expect(await sender.state('mine')).toBeUndefined()
    const without = new Sender({
      producer: {} as Producer,
      delayed: {} as Delayed,
      results: undefined,
      replyTo: undefined,
      confirmTimeoutMs: 1,
      maxMessageBytes: 1,
    })
    await expect(without.state('mine')).rejects.toMatchObject({ code: 'NO_RESULT_STORE' })
  })
})

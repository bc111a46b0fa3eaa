import { expect, it } from 'vitest'
import type { Handle } from '../../src/send/handle.js'
import { sendMany } from '../../src/send/sendMany.js'

it('A first failure is noticed before the window is full', async () => {
  let calls = 0
  const send = async (): Promise<Handle<unknown>> => {
    calls++
    throw new Error('no such input')
  }
  const inputs = Array.from({ length: 1_000 }, (_, index) => index)
  await expect(sendMany(send, inputs, 1_000, {})).rejects.toThrow('no such input')
  expect(calls).toBeLessThan(10)
})

/** Waiting for a result whose schema is slow, with many who wait, and for what others stored. */
import { getEventListeners } from 'node:events'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import { Waiters } from '../../src/results/waiters.js'
import { Handle } from '../../src/send/handle.js'

const stored = { id: 'id', status: 'SUCCESS', result: 1 } as const
const slow = { ...defineTask({ name: 'unit.handle.task', input: z.any() }), output: hanging() }
function hanging() {
  return { '~standard': { version: 1, vendor: 'unit', validate: () => new Promise<never>(() => undefined) } } as const
}
const handle = new Handle(slow, 'id', () => ({ wait: async () => stored }) as never)

it('an output schema that never answers ends with the time limit', async () => {
  const waiting = handle.result({ timeoutMs: 20 })
  await expect(waiting).rejects.toMatchObject({ code: 'RESULT_TIMEOUT', message: expect.stringMatching(/has ended/) })
})

it('an output schema that never answers ends with the signal', async () => {
  const controller = new AbortController()
  const waiting = handle.result({ signal: controller.signal })
  setImmediate(() => controller.abort('mine'))
  await expect(waiting).rejects.toBe('mine')
  await expect(handle.result({ signal: controller.signal })).rejects.toBe('mine')
})

const waitersOn = (text: string | null) =>
  new Waiters({ away: undefined, subscribe: async () => undefined, read: async (ids) => ids.map(() => text) })

it('all who wait with one signal share a listener, and leave none behind', async () => {
  const abort = new AbortController()
  const waiting = Array.from({ length: 50 }, (_, index) =>
    waitersOn(null)
      .wait(`id ${index}`, { signal: abort.signal })
      .catch((error: unknown) => error),
  )
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1)
  abort.abort('mine')
  expect(await Promise.all(waiting)).toEqual(Array.from({ length: 50 }, () => 'mine'))
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0)
})

it('a result of another task under the key is unreadable, and not waited for', async () => {
  const text = JSON.stringify({ status: 'SUCCESS', result: 1, task_id: 'another' })
  await expect(waitersOn(text).wait('id', {})).rejects.toMatchObject({ code: 'RESULT_UNREADABLE' })
})

/** A prefetch in messages, where each carries several tasks. */
import { describe, expect, it } from 'vitest'
import { MessageLoad } from '../../src/work/messageLoad.js'

describe('A prefetch in messages', () => {
  const load = new MessageLoad(64)
  it.each([
    [1, 204, 3],
    [3, 250, 3],
    [1, 40, 2],
    [1, 25, 1],
    [2, 25, 2],
    [3, 25, 2],
    [2, 10, 1],
    [8, 64, 2],
  ])('of %i, when %i tasks are wanted and each carries 64, becomes %i', (current, wanted, messages) => {
    expect(load.messagesInTurn(current, wanted)).toBe(messages)
  })
  it('the first message says more than what was expected', () => {
    const observing = new MessageLoad(64)
    observing.observe(4)
    expect(observing.mean).toBe(4)
    for (let message = 0; message < 60; message++) observing.observe(1)
    expect(observing.mean).toBe(1)
  })
})

/** The promise: whatever strangers send, no connection is lost, each message ends by name, and its neighbours are unharmed. */
import { expect, it } from 'vitest'
import { fuzzMessages, fuzzTasks, SERVICE } from '../../fuzz/index.js'
import { virtualHost } from '../support/cluster.js'
import { ownStore } from '../support/ownStore.js'

const MESSAGES = 400

it(`${MESSAGES} generated messages: each ends by name`, async () => {
  const [{ broker }, { url: results }] = await Promise.all([virtualHost(SERVICE, fuzzTasks), ownStore()])
  const { sent, problems, least, endings } = await fuzzMessages({
    ...{ broker, results, seed: 20_261, messages: MESSAGES, batch: MESSAGES },
    say: () => undefined,
  })
  expect({ sent, problems, least }).toEqual({ sent: MESSAGES, problems: [], least: undefined })
  for (const ending of ['succeeded', 'dead letter: undecodable', 'dead letter: failed']) {
    expect(endings.get(ending) ?? 0, ending).toBeGreaterThan(0)
  }
})

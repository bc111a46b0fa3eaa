/** The promise: whatever strangers send, no connection is lost, each message ends by name, and its neighbours are unharmed. */
import { beforeAll, expect, it } from 'vitest'
import { fuzzMessages, fuzzResults, fuzzTasks, SERVICE } from '../../fuzz/index.js'
import { virtualHost } from '../support/cluster.js'
import { ownStore } from '../support/ownStore.js'

const MESSAGES = 300
const RESULTS = 200
let broker: string
let results: string

beforeAll(async () => {
  const [urls, store] = await Promise.all([virtualHost(SERVICE, fuzzTasks), ownStore()])
  broker = urls.broker
  results = store.url
})

it(`${MESSAGES} generated messages: each ends by name`, async () => {
  const { sent, problems, least, endings } = await fuzzMessages({
    ...{ broker, results, seed: 20_261, messages: MESSAGES, batch: MESSAGES },
    say: () => undefined,
  })
  expect({ sent, problems, least }).toEqual({ sent: MESSAGES, problems: [], least: undefined })
  for (const ending of ['succeeded', 'dead letter: undecodable', 'dead letter: failed']) {
    expect(endings.get(ending) ?? 0, ending).toBeGreaterThan(0)
  }
})

it(`${RESULTS} generated results at a live producer: whatever is read of them ends by name`, async () => {
  const { sent, problems, least } = await fuzzResults({ broker, results, seed: 20_261, count: RESULTS })
  expect({ sent, problems, least }).toEqual({ sent: RESULTS, problems: [], least: undefined })
})

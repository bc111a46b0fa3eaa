/** What a visit of a flow's token repeats, and what it leaves to whoever is sending it. The store and the mail are stand-ins. */
import { describe, expect, it } from 'vitest'
import type { FlowMail, FlowToken } from '../../src/flow/flowMail.js'
import type { FlowSettling } from '../../src/flow/flowSettling.js'
import type { FlowRecord, FlowStore, WholeFlow } from '../../src/flow/flowStore.js'
import { FlowWatch } from '../../src/flow/flowWatch.js'

const TOKEN: FlowToken = { flow: 'f', visit: 0, startedAt: 0, deadline: 1_000_000, reply: '', seen: [] }
const record = { state: 'running', rule: 'fail', roots: [0, 1, 2], last: 2 } as unknown as FlowRecord

async function visit(token: FlowToken, sent: readonly number[]) {
  const nodes = record.roots.map(() => ({ task: 'a.b.c' }))
  const whole: WholeFlow = { record, nodes, ends: new Map(), sent: new Set(sent) }
  const sendings: (readonly number[])[] = []
  const passed: FlowToken[] = []
  const store = {
    ...{ visit: async () => -1, visited: async () => undefined, whole: async () => whole, look: async () => record },
    results: { get: async () => undefined },
  }
  const watch = new FlowWatch({
    store: store as unknown as FlowStore,
    mail: { passOn: async (next: FlowToken) => void passed.push(next) } as unknown as FlowMail,
    settling: {
      sendAll: async (_: string, all: readonly number[]) => void sendings.push(all),
    } as unknown as FlowSettling,
    clock: { now: () => 0 },
    isTaken: async () => true,
  })
  await watch.visit(token)
  return { sendings, next: passed[0] }
}

describe('The first steps of a flow', () => {
  it.each<[string, FlowToken, readonly number[], boolean]>([
    ['are sent again when nobody has sent one', { ...TOKEN, sent: 0 }, [], true],
    ['are left to whoever has sent more since the last visit', { ...TOKEN, sent: 0 }, [0, 1], false],
    ['are sent when none came since then', { ...TOKEN, visit: 1, sent: 2 }, [0, 1], true],
    ['are sent when an earlier version of Warren made the token', TOKEN, [0, 1], true],
    ['are not sent when all of them are', { ...TOKEN, sent: 0 }, [0, 1, 2], false],
  ])('%s', async (_, token, sent, repeats) => {
    const { sendings, next } = await visit(token, sent)
    expect(sendings).toEqual(repeats ? [record.roots] : [])
    expect(next).toEqual({
      ...TOKEN,
      visit: token.visit + 1,
      seen: sent.length > 0 ? ['a.b.c'] : [],
      sent: sent.length,
    })
  })
})

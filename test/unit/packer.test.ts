/** What is sent in one turn is put together. */
import { beforeEach, describe, expect, it } from 'vitest'
import { MessageError, UnconfirmedError, UnroutableError } from '../../src/index.js'
import type { Publication } from '../../src/send/outgoing.js'
import { type Packable, Packer } from '../../src/send/packer.js'
import { encode } from '../../src/wire/envelope.js'
import { packedMember } from '../../src/wire/pack.js'
import { encoded, task } from '../support/packTask.js'

describe('What is sent in one turn', () => {
  let published: Publication[]
  let answer: (publication: Publication) => Promise<void>
  const publish = (each: Publication): Promise<void> => {
    published.push(each)
    return answer(each)
  }
  const packer = () => new Packer({ publish }, 100_000)
  beforeEach(() => {
    published = []
    answer = async () => undefined
  })
  const publication = (id: string, more: Partial<Packable> = {}): Packable => ({
    ...{ id, exchange: 'payment.commands', routingKey: task.name, message: encoded(id, 1), confirmTimeoutMs: 1_000 },
    ...more,
  })
  const pack = { maxTasks: 3, maxBytes: 10_000 }
  const ids = () =>
    published.map(({ id, tasks, message }) => (tasks === undefined ? id : [tasks, message.content.length]))

  it('shares a message up to the limit, and what is left alone goes alone', async () => {
    const into = packer()
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => into.publish(publication(id), pack)))
    expect(published.map(({ id, tasks }) => [tasks, id === 'd'])).toEqual([
      [3, false],
      [undefined, true],
    ])
  })
  it('never exceeds the bytes; what is larger goes alone', async () => {
    const into = packer()
    const small = packedMember(encoded('a', 1)).bytes
    const sizes = { maxTasks: 100, maxBytes: 2 * small }
    const large = publication('l', { message: encode({ task: task.name, id: 'l', input: 'x'.repeat(3 * small) }) })
    const all = [...['a', 'b', 'c', 'd', 'e'].map((id) => publication(id)), large]
    await Promise.all(all.map((each) => into.publish(each, sizes)))
    expect(ids()).toEqual([[2, 2 * small], [2, 2 * small], 'l', 'e'])
  })
  it('of another task, or with another deadline, goes elsewhere', async () => {
    const into = packer()
    const others = [publication('b', { routingKey: 'x.y' }), publication('c', { confirmTimeoutMs: 2_000 })]
    await Promise.all([publication('a'), ...others].map((each) => into.publish(each, pack)))
    expect(ids()).toEqual(['a', 'b', 'c'])
  })
  it('flush sends at once what is gathered', () => {
    const into = packer()
    void into.publish(publication('a'), pack)
    into.flush()
    expect(ids()).toEqual(['a'])
  })
  it('fails together, each with an error of its own', async () => {
    answer = async ({ id }) => Promise.reject(new UnconfirmedError(id, 1_000, true, 'no majority'))
    const into = packer()
    const ended = await Promise.allSettled(['a', 'b'].map((id) => into.publish(publication(id), pack)))
    expect(ended).toMatchObject(
      ['a', 'b'].map((id) => ({ reason: { code: 'UNCONFIRMED', id, written: true, problem: 'no majority' } })),
    )
    answer = async () => Promise.reject(new UnroutableError('e', 'k', 'no queue'))
    const refusedAll = await Promise.allSettled(['a', 'b'].map((id) => into.publish(publication(id), pack)))
    expect(refusedAll).toMatchObject([{ reason: { code: 'UNROUTABLE' } }, { reason: { code: 'UNROUTABLE' } }])
  })
  it('is sent one by one where the pack is refused: one member does not fail the others', async () => {
    answer = async ({ id }) => {
      if (id !== 'a') throw new MessageError('refused')
    }
    const into = packer()
    const ended = await Promise.allSettled(['a', 'b'].map((id) => into.publish(publication(id), pack)))
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(published).toHaveLength(3)
  })
})

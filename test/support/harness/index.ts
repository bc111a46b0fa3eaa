/**
 * What a broker and a store will not do on demand: answers that never come, a channel that closes with a code, a close
 * that hangs, frames in an order that is rare. Anything that the real ones do when asked belongs on the real ones.
 *
 *     using clock = new FakeClock()
 *     const broker = new FakeBroker()
 *     const store = new FakeStore()
 *     broker.answer('checkQueue', () => ({ queue: 'q', messageCount: 0, consumerCount: 0 }))
 *     broker.answer('bindQueue', never, () => ({}))            // the first time no answer, then the usual one
 *     broker.answer('publish', () => 'nack', () => 'return', closed(404, 'NOT_FOUND - no exchange'), () => 'confirm')
 *     broker.answer('close', never)                            // channel.close() hangs
 *     store.answer('get', never)                               // or refused(new Error('…')), or held(() => result)
 *
 *     const { worker, consuming } = workerOn(broker, store, { concurrency: 2 })
 *     worker.handle(task, handler)
 *     await worker.start()
 *     const delivery = broker.deliver(queueOf(task), taskMessage(task, input, 'id-1', { properties: { headers: { … } } }))
 *     await clock.advance(10_000)
 *     delivery.settlement                                      // 'acked', 'requeued', 'discarded', or undefined: still held
 *     broker.asked('ack'), store.asked('get')                  // the arguments of every call
 *     broker.publications                                      // everything that was published
 *
 * Faults: `broker.channels[n].closeByBroker(406, 'PRECONDITION_FAILED - …')`, `consuming.lose()` and `consuming.reopen()`,
 * `consuming.block()`, `broker.cancelConsumers(queue)`, `broker.writable = false` and `broker.drain()`. Each channel is a
 * generation of its own; what was delivered on a dead one is `requeued`. As with amqplib, a channel asks one thing after
 * the other, so a call without an answer holds up those behind it; they are rejected when the channel dies; and a
 * `close()` that hangs hangs for good.
 *
 * For tests of `Connection`, or of the whole library: `vi.mock('amqplib', () => import('../support/harness/amqplib.js'))`.
 */
export { FakeBroker, FakeConnection, type FakeDelivery, type FakeModel, type MessageParts } from './broker.js'
export type { FakeChannel, Publication, Settlement } from './channel.js'
export { FakeClock } from './clock.js'
export { type Answer, closed, held, never, refused } from './script.js'
export { FakeStore } from './store.js'
export { type FakeWorker, queueOf, taskMessage, workerOn } from './worker.js'

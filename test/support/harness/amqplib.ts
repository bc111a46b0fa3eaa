/** amqplib on a fake broker, for `vi.mock('amqplib', () => import('../support/harness/amqplib.js'))`. */
import { FakeBroker } from './broker.js'

/** Where `connect` leads. One for each test file; `useBroker` takes a new one. */
let broker = new FakeBroker()

/** A new broker, to which every connection leads that is made from now on. */
export function useBroker(): FakeBroker {
  broker = new FakeBroker()
  return broker
}

export const connect = (...args: unknown[]): ReturnType<FakeBroker['connect']> => broker.connect(...args)

/** A worker on the fakes, and messages for it. */
import { defaults } from '../../../src/options.js'
import { Producer } from '../../../src/send/producer.js'
import { type Logger, silentLogger } from '../../../src/task/logger.js'
import type { Task } from '../../../src/task/task.js'
import { localClock } from '../../../src/time/clock.js'
import { DelayRoutes } from '../../../src/time/delayRoutes.js'
import { encode } from '../../../src/wire/envelope.js'
import { commandsExchange, domainOf, taskQueue } from '../../../src/wire/names.js'
import { Worker } from '../../../src/work/worker.js'
import type { WorkerOptions } from '../../../src/work/workerOptions.js'
import type { FakeBroker, FakeConnection, MessageParts } from './broker.js'
import type { FakeStore } from './store.js'

export interface FakeWorker {
  readonly worker: Worker
  readonly consuming: FakeConnection
  readonly publishing: FakeConnection
}

/** Not started: call `handle` and `start`. Without a store there are no results. */
export function workerOn(
  broker: FakeBroker,
  store?: FakeStore,
  options: Partial<WorkerOptions> = {},
  log: Logger = silentLogger,
): FakeWorker {
  const [consuming, publishing] = [broker.connection(), broker.connection()]
  publishing.announce()
  const worker = new Worker(
    { service: 'test', ...options },
    {
      consuming: consuming.asConnection(),
      publishing: publishing.asConnection(),
      makeProducer: () =>
        new Producer(publishing.asConnection(), {
          maxUnconfirmed: defaults.maxUnconfirmed,
          maxUnconfirmedBytes: defaults.maxUnconfirmedBytes,
        }),
      delays: new DelayRoutes(publishing.asConnection()),
      clock: localClock,
      results: store?.asResults(),
      confirmTimeoutMs: defaults.confirmTimeoutMs,
      log,
      onStopped: async () => {
        await Promise.all([consuming.close(), publishing.close()])
      },
    },
  )
  return { worker, consuming, publishing }
}

/** A message as `send` writes it; `parts` may change anything. Deliver it to {@link queueOf}. */
export function taskMessage(task: Task, input: unknown, id: string, parts: MessageParts = {}): MessageParts {
  const { content, properties } = encode({ task: task.name, id, input, expires: undefined, replyTo: undefined })
  const { properties: more, ...rest } = parts
  return {
    content,
    exchange: commandsExchange(domainOf(task.name)),
    routingKey: task.name,
    ...rest,
    properties: {
      ...properties,
      ...more,
      headers: { ...properties.headers, ...(more?.headers as Record<string, unknown> | undefined) },
    },
  }
}

export const queueOf = (task: Task, service = 'test'): string => taskQueue(task.name, service)

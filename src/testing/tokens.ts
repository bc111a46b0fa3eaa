/** What an in-memory worker takes beside its tasks: the tokens of its service's schedules, and those of flows. */
import type { FlowWorks } from '../flow/flows.js'
import type { ReportProblem } from '../observe/contained.js'
import type { Ticker } from '../time/ticker.js'
import { decodeToken } from '../time/token.js'
import { FLOWS_QUEUE, ticksQueue } from '../wire/names.js'
import type { Delivery } from '../work/delivery.js'
import { readFlowMessage } from '../work/flowMessages.js'
import type { MemoryBroker } from './broker.js'

export interface TestTokensOptions {
  readonly service: string
  readonly broker: MemoryBroker
  readonly ticker: Ticker
  readonly works: FlowWorks
  readonly report: ReportProblem
  readonly deliver: (message: Delivery['message'], queue: string) => Delivery
}

export class TestTokens {
  readonly #options: TestTokensOptions
  readonly #takes: readonly [queue: string, visit: (delivery: Delivery) => Promise<void>][]
  #visits = 0

  constructor(options: TestTokensOptions) {
    const { service, ticker, works, report } = options
    this.#options = options
    this.#takes = [
      [ticksQueue(service), (delivery) => ticker.visit(decodeToken(delivery.message.content), delivery)],
      [
        FLOWS_QUEUE,
        async (delivery) => {
          const { flow, act } = readFlowMessage(works, delivery)
          await act().catch((error: unknown) => report(`flow ${flow}`, error))
          delivery.ack()
        },
      ],
    ]
  }

  /** Whether one is being looked after. */
  get busy(): boolean {
    return this.#visits > 0
  }

  /** Takes what there is, and what comes. Returns what ends that. */
  start(): (() => void)[] {
    const { broker } = this.#options
    return this.#takes.map(([queue]) => broker.consume(queue, () => this.take()))
  }

  take(): void {
    for (const [queue, visit] of this.#takes) {
      const messages = this.#options.broker.messages(queue)
      for (let next = messages.shift(); next !== undefined; next = messages.shift()) {
        this.#visits++
        void visit(this.#options.deliver(next.message, queue)).finally(() => this.#visits--)
      }
    }
  }

  close(): void {
    this.#options.ticker.close()
  }
}

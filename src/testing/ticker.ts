/** Runs the schedules of an in-memory worker's service: the same ticker as in every worker, over the in-memory broker. */
import type { Results } from '../results/store.js'
import type { Producer } from '../send/producer.js'
import type { DelayRoutes } from '../time/delayRoutes.js'
import { ScheduleStore } from '../time/scheduleStore.js'
import { Ticker, type TickerOptions } from '../time/ticker.js'
import { TokenMail } from '../time/tokenMail.js'

export interface TickerDependencies {
  readonly results: Results
  readonly routes: DelayRoutes
  readonly confirmTimeoutMs: number
}

export function tickerOf(
  service: string,
  { results, routes, confirmTimeoutMs }: TickerDependencies,
  producer: Producer,
  told: Pick<TickerOptions, 'onTick' | 'onDelayed'>,
): Ticker {
  return new Ticker({
    store: new ScheduleStore(results, service),
    mail: new TokenMail({ service, publish: producer.publish.bind(producer), routes, confirmTimeoutMs }),
    ...{ results, resultTtlMs: results.ttlMs, ...told },
  })
}

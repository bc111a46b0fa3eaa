/** The results of what `connect()` is given. */
import { parseResults, type StoreClient } from './connection.js'
import { type HistoryOptions, settleHistory } from './historyOptions.js'
import { Results } from './store.js'

interface StoreOptions {
  readonly results?: string | StoreClient | undefined
  readonly resultTtlMs: number
  readonly connectTimeoutMs: number
  readonly history?: HistoryOptions | false | undefined
}

/** Opens no socket. Undefined without a store. Throws `OptionsError`. */
export function makeResults(options: StoreOptions, of: { producerId: string; vhost: string }): Results | undefined {
  const { results, resultTtlMs, connectTimeoutMs } = options
  const history = settleHistory(options.history, resultTtlMs)
  if (results === undefined) return undefined
  return new Results({
    ...{ target: parseResults('connect: results', results), ttlMs: resultTtlMs, connectTimeoutMs },
    producerId: of.producerId,
    history: history && { vhost: of.vhost, ...history },
  })
}

/** What a process sends at the moment, as its metrics say. */
import type { Connection } from '../amqp/connection.js'
import type { Sending } from '../observe/producerMetrics.js'
import type { Results } from '../results/store.js'
import type { Producer } from './producer.js'

export const sendingOf = (
  name: string,
  producer: Producer,
  { blocked, state }: Connection,
  results: Results | undefined,
): Sending => ({
  ...{ name, unconfirmed: producer.pending, blocked, connected: state === 'open' },
  store: results === undefined ? 'none' : results.available ? 'available' : 'unavailable',
})

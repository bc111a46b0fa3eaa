/** Takes a snapshot of everything. It only reads, and changes nothing. */
import type { Snapshot, TasksFacts } from '../snapshot.js'
import { brokerAddress, lookAtBroker } from './broker.js'
import { lookAtManagement } from './management.js'
import { lookAtStore, type StoreParts } from './store.js'
import { notAsked } from './unseen.js'

export interface LookOptions {
  /** With user and password, each an address that can be read. */
  readonly broker: readonly string[]
  readonly management: readonly string[]
  readonly results: string | undefined
  readonly tasks: TasksFacts | undefined
  readonly consumerTimeoutMs: number | undefined
}

const NO_STORE: Pick<StoreParts, 'store' | 'storeClock'> = {
  store: notAsked('no store was named', 'Give --results'),
  storeClock: notAsked('no store was named', 'Give --results'),
}

export async function look(options: LookOptions): Promise<Snapshot> {
  const { broker, management, results, tasks, consumerTimeoutMs } = options
  const at = new Date().toISOString()
  const url = new URL(broker[0] ?? '')
  const user = url.username === '' ? 'guest' : decodeURIComponent(url.username)
  const vhost = url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : '/'
  const addresses = broker.map(brokerAddress)
  const [said, parts, store] = await Promise.all([
    lookAtBroker(addresses, user),
    lookAtManagement(management, vhost, user),
    results === undefined ? { ...NO_STORE, looked: [] } : lookAtStore(results),
  ])
  const { address, looked, ...rest } = parts
  return {
    at,
    vhost,
    management: address,
    consumerTimeoutMs,
    looked: [...addresses.map(({ shown }) => shown), ...looked, ...store.looked],
    broker: { seen: said },
    ...rest,
    tasks: tasks === undefined ? notAsked('no tasks were given', 'Pass --module and --service') : { seen: tasks },
    store: store.store,
    storeClock: store.storeClock,
  }
}

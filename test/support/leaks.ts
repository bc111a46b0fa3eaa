/**
 * What is held open: by this process, and by the broker for one virtual host. Whoever opens, declares, listens or sets a
 * timer also undoes it, so these are counted before and after, and return to where they were.
 */
import { manage } from './cluster.js'
import { resourcesHeld } from './resources.js'

export interface Held {
  /** What keeps this process alive, by kind: `Timeout`, `TCPSocketWrap` and so on. */
  readonly resources: Readonly<Record<string, number>>
  /** Listeners of `process`. */
  readonly listeners: number
  readonly connections: number
  readonly channels: number
  readonly consumers: number
  readonly queues: readonly string[]
}

export async function held(vhost: string): Promise<Held> {
  // One after the other, so that `fetch` keeps one connection and not four.
  const of = async (what: string): Promise<number> => (await manage<unknown[]>('GET', what)).length
  const connections = await of(`/vhosts/${vhost}/connections`)
  const channels = await of(`/vhosts/${vhost}/channels`)
  const consumers = await of(`/consumers/${vhost}`)
  const queues = await manage<{ name: string }[]>('GET', `/queues/${vhost}?columns=name`)
  const listeners = process.eventNames().reduce((sum, event) => sum + process.listenerCount(event), 0)
  const names = queues.map(({ name }) => name).sort()
  return { resources: resourcesHeld(), listeners, connections, channels, consumers, queues: names }
}

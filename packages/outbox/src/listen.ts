/** LISTEN, if there is a client for it: relays then check at once instead of at their next poll. */
import { OutboxError } from './errors.js'

/**
 * A connected `Client` of pg that is used for nothing else, a `Sql` of postgres.js, or a function that calls `heard` for each
 * notification of `channel` and resolves with a function that ends that. If the connection is lost, polling continues;
 * reconnecting is up to your client.
 */
export type Listen =
  | {
      query(text: string): unknown
      on(event: 'notification', heard: (message: { channel: string }) => void): unknown
      off(event: 'notification', heard: (message: { channel: string }) => void): unknown
    }
  | { listen(channel: string, heard: () => void): PromiseLike<{ unlisten(): unknown }> }
  | ((channel: string, heard: () => void) => PromiseLike<() => unknown>)

/** Resolves with a function that ends it. */
export async function listen(to: Listen, channel: string, heard: () => void): Promise<() => Promise<void>> {
  const { listen: own, query, on } = to as { listen?: unknown; query?: unknown; on?: unknown }
  if (typeof own === 'function') {
    const { unlisten } = (await own.call(to, channel, heard)) as { unlisten: () => unknown }
    return async () => void (await unlisten())
  }
  if (typeof query === 'function' && typeof on === 'function') {
    const client = to as Extract<Listen, { query: unknown }>
    const each = (message: { channel: string }): void => {
      if (message.channel === channel) heard()
    }
    client.on('notification', each)
    await client.query(`listen "${channel}"`)
    return async () => {
      client.off('notification', each)
      await client.query(`unlisten "${channel}"`)
    }
  }
  if (typeof to === 'function') {
    const stop = await (to as (channel: string, heard: () => void) => PromiseLike<() => unknown>)(channel, heard)
    return async () => void (await stop())
  }
  throw new OutboxError('NO_CLIENT', 'Expected `listen` to be a client of pg, a `sql` of postgres.js, or a function')
}

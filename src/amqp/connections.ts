/** Creates the connections of one `connect()`, all to the same nodes, and reports their events. */
import type { ConnectionRole, WarrenEvents } from '../observe/events.js'
import { defaults } from '../options.js'
import type { Address } from './address.js'
import { Connection } from './connection.js'

export interface ConnectionsOptions {
  /** The prefix of their names on RabbitMQ's management page. */
  readonly name: string
  readonly heartbeatSeconds: number
  readonly connectTimeoutMs: number
}

type ConnectionEvents = Pick<WarrenEvents, 'connectionState' | 'blocked' | 'unblocked'>
type Tell = <Event extends keyof ConnectionEvents>(event: Event, value: ConnectionEvents[Event][0]) => void

export class Connections {
  readonly #addresses: readonly Address[]
  readonly #options: ConnectionsOptions
  readonly #tell: Tell
  /** Temporary connections. */
  readonly #opened = new Set<Connection>()

  constructor(addresses: readonly Address[], options: ConnectionsOptions, tell: Tell) {
    this.#addresses = addresses
    this.#options = options
    this.#tell = tell
  }

  /** Does no I/O. */
  make(role: ConnectionRole): Connection {
    const { name, heartbeatSeconds, connectTimeoutMs } = this.#options
    const connection = new Connection({
      addresses: this.#addresses,
      role,
      name: `${name} (${role})`,
      heartbeatSeconds,
      connectTimeoutMs,
      reconnectInitialDelayMs: defaults.reconnectInitialDelayMs,
      reconnectMaxDelayMs: defaults.reconnectMaxDelayMs,
    })
    connection.on('state', (event) => this.#tell('connectionState', event))
    connection.on('blocked', (event) => this.#tell('blocked', event))
    connection.on('unblocked', (event) => this.#tell('unblocked', event))
    return connection
  }

  /** Opens a temporary connection, which the caller closes. Throws as `connect()` does. */
  async open(role: ConnectionRole): Promise<Connection> {
    const connection = this.make(role)
    this.#opened.add(connection)
    connection.on('state', ({ state }) => {
      if (state === 'closed') this.#opened.delete(connection)
    })
    try {
      await connection.open()
    } catch (error) {
      await connection.close()
      throw error
    }
    return connection
  }

  /** Closes connections from `open` that their callers have not closed yet. */
  async closeOpened(): Promise<void> {
    await Promise.all([...this.#opened].map((connection) => connection.close()))
  }
}

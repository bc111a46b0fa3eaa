/**
 * A TCP proxy that misbehaves on purpose: it can stop forwarding without closing (a half-open connection, as after a
 * pulled cable or a firewall that forgot the flow), or cut everything at once.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy {
  readonly #target: { readonly host: string; readonly port: number }
  readonly #server: Server
  readonly #pairs = new Set<{ readonly client: Socket; readonly server: Socket }>()

  #accepted = 0

  private constructor(target: { host: string; port: number }) {
    this.#target = target
    this.#server = createServer((client) => this.#accept(client))
  }

  static async open(target: { host: string; port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** The same address by way of the proxy. */
  urlFor(url: string): string {
    const through = new URL(url)
    through.host = `127.0.0.1:${this.port}`
    return through.href
  }

  /** How many connections it has taken so far. */
  get accepted(): number {
    return this.#accepted
  }

  /** Every connection that is open now goes silent for good, in both directions. New ones work. */
  stall(): void {
    for (const { client, server } of this.#pairs) {
      client.unpipe(server)
      server.unpipe(client)
      // Bytes are still taken, as a kernel's buffer would for a while, and go nowhere.
      client.on('data', () => {})
      server.pause()
    }
  }

  /** Resets every connection that is open now. */
  cut(): void {
    for (const { client, server } of [...this.#pairs]) {
      client.resetAndDestroy()
      server.destroy()
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.cut()
    await closed
  }

  #accept(client: Socket): void {
    const server = connect(this.#target)
    const pair = { client, server }
    this.#pairs.add(pair)
    this.#accepted++
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#pairs.delete(pair)
        other.destroy()
      })
    }
    client.pipe(server)
    server.pipe(client)
  }
}

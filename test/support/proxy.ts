/** A TCP proxy on the loopback interface whose connections can be cut without a word, as a failing network does. */

import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

export interface CuttableProxy {
  readonly port: number
  /** `url` with the proxy in between. */
  through(url: string): string
  /** Ends every connection that is open now; new ones are taken. */
  cut(): void
  /** Ends every connection and takes no new ones. */
  close(): void
}

export async function cuttableProxy(target: string): Promise<CuttableProxy> {
  const targetPort = Number(new URL(target).port)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port,
    through: (url) => url.replace(/:\d+\//, `:${port}/`),
    cut,
    close: () => {
      server.close()
      cut()
    },
  }
}

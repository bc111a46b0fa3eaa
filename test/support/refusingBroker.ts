/** A broker that takes a connection up to `connection.open`, and then says no: what RabbitMQ does not do on demand. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface RefusingBroker {
  readonly url: string
  /** How many connections it has taken. */
  readonly accepted: () => number
  close(): void
}

const method = (id: readonly [number, number], fields: Buffer): Buffer => {
  const payload = Buffer.alloc(4 + fields.length)
  payload.writeUInt16BE(id[0], 0)
  payload.writeUInt16BE(id[1], 2)
  fields.copy(payload, 4)
  const head = Buffer.alloc(7)
  head[0] = 1
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.from([0xce])])
}

/** `connection.close`. */
export function closeFrame(code: number, text: string): Buffer {
  const fields = Buffer.alloc(3 + Buffer.byteLength(text) + 4)
  fields.writeUInt16BE(code, 0)
  fields[2] = Buffer.byteLength(text)
  fields.write(text, 3)
  return method([10, 50], fields)
}

const START = method([10, 10], Buffer.from('\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US', 'latin1'))
/** 2,047 channels, frames of 131,072 bytes, no heartbeat. */
const TUNE = method([10, 30], Buffer.from('07ff000200000000', 'hex'))
const OPEN = Buffer.from([0, 10, 0, 40])

export async function refusingBroker(
  code: number,
  text: string,
  { at = 'open' }: { at?: 'open' | 'start-ok' | 'nowhere' } = {},
): Promise<RefusingBroker> {
  const sockets = new Set<Socket>()
  let accepted = 0
  const server = createServer((socket) => {
    accepted++
    sockets.add(socket)
    socket.on('error', () => undefined)
    let received = Buffer.alloc(0)
    let said = 0
    const say = (step: number, bytes: Buffer): void => {
      if (said !== step) return
      said++
      socket.write(bytes)
    }
    socket.on('data', (bytes) => {
      if (at === 'nowhere') return
      received = Buffer.concat([received, bytes])
      say(0, START)
      if (received.includes(Buffer.from([0, 10, 0, 11]))) say(1, at === 'open' ? TUNE : closeFrame(code, text))
      if (received.includes(OPEN)) say(2, closeFrame(code, text))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `amqp://user:s3cret@127.0.0.1:${(server.address() as AddressInfo).port}/shop`,
    accepted: () => accepted,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

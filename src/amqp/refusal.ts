/**
 * Finds out why RabbitMQ does not open a connection. RabbitMQ sends a `connection.close` with a code and a text, which amqplib
 * drops if it arrives in place of `open-ok`. So this file repeats the handshake by hand: header, start, start-ok, tune,
 * tune-ok, open (AMQP 0-9-1, section 2.2.4).
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Address } from './address.js'
import { FrameWriter } from './frameWriter.js'

/** RabbitMQ's answer. */
export interface Refusal {
  readonly code: number
  readonly text: string
}

const CONNECTION = 10
const START = 10
const START_OK = 11
const TUNE = 30
const TUNE_OK = 31
const OPEN = 40
const OPEN_OK = 41
const CLOSE = 50
const CLOSE_OK = 51
/** Everything that a broker sends before the connection is open is short. */
const MOST_BYTES = 65_536

/** Resolves with undefined if the connection opens after all, or there is no answer in time. Never rejects. */
export function refusalOf(address: Address, timeoutMs: number): Promise<Refusal | undefined> {
  return new Promise((resolve) => {
    const { hostname: host, port } = address
    const socket: Socket =
      address.protocol === 'amqps'
        ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}) })
        : connectTcp({ host, port })
    const end = (refusal?: Refusal): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(refusal)
    }
    const timer = setTimeout(end, timeoutMs)
    let received = Buffer.alloc(0)
    socket.on('error', () => end())
    socket.on('close', () => end())
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes])
      if (received.length > MOST_BYTES) return end()
      try {
        for (let frame = firstFrame(received); frame !== undefined; frame = firstFrame(received)) {
          received = received.subarray(frame.length + 8)
          const said = answer(socket, frame, address)
          if (said !== undefined) return end(said === 'opened' ? undefined : said)
        }
      } catch {
        // Not a known AMQP frame.
        end()
      }
    })
    socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
  })
}

/** The payload of the first frame, if it is complete. */
function firstFrame(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 8) return undefined
  const size = bytes.readUInt32BE(3)
  return bytes.length < size + 8 ? undefined : bytes.subarray(7, 7 + size)
}

/** Answers one of the broker's methods. */
function answer(
  socket: Socket,
  payload: Buffer,
  { username, password, vhost }: Address,
): Refusal | 'opened' | undefined {
  if (payload.readUInt16BE(0) !== CONNECTION) return undefined
  const method = payload.readUInt16BE(2)
  if (method === START) {
    const response = Buffer.from(`\0${username}\0${password}`)
    say(socket, START_OK, (writer) => {
      // Asks the broker to report a wrong password, instead of only closing the socket.
      writer.headers({ capabilities: { authentication_failure_close: true } })
      writer.shortString('mechanism', 'PLAIN')
      writer.long(response.length)
      writer.raw(response)
      writer.shortString('locale', 'en_US')
    })
  } else if (method === TUNE) {
    // Accepts the offered values: channels, frame size, heartbeat.
    say(socket, TUNE_OK, (writer) => writer.raw(payload.subarray(4, 12)))
    say(socket, OPEN, (writer) => {
      writer.shortString('virtual host', vhost)
      writer.short(0)
    })
  } else if (method === OPEN_OK) {
    return 'opened'
  } else if (method === CLOSE) {
    say(socket, CLOSE_OK, () => undefined)
    return { code: payload.readUInt16BE(4), text: payload.toString('utf8', 7, 7 + payload.readUInt8(6)) }
  }
  return undefined
}

function say(socket: Socket, method: number, write: (writer: FrameWriter) => void): void {
  const writer = new FrameWriter()
  writer.raw(Buffer.from([1, 0, 0, 0, 0, 0, 0]))
  writer.short(CONNECTION)
  writer.short(method)
  write(writer)
  writer.bytes.writeUInt32BE(writer.at - 7, 3)
  writer.octet(0xce)
  socket.write(writer.bytes.subarray(0, writer.at))
}

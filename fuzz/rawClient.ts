/**
 * A client of AMQP 0-9-1 that shares no code with Warren or amqplib: it writes whatever bytes it is given, with confirms,
 * and takes messages without reading more of them than it must. One connection, one channel. What the broker closes is
 * closed for good, with the reason in {@link RawClient.closed}.
 */
import { connect, type Socket } from 'node:net'
import { encodeTable, longString, shortString } from './fields.js'

const METHOD = 1
const HEADER = 2
const BODY = 3
const CHANNEL = 1
const FRAME_END = 0xce
const FRAME_MAX = 131_072
const ACK = 80
const NACK = 120
const TIMEOUT_MS = 20_000

const id = (className: number, method: number): string => `${className}.${method}`

export class RawClient {
  readonly #socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  #awaited: { readonly method: string; readonly done: (payload: Buffer) => void } | undefined
  #tag = 0n
  /** Those that are not confirmed, by delivery tag. */
  readonly #open = new Map<bigint, (confirmed: boolean) => void>()
  readonly #ended: Promise<void>
  #end: () => void = () => {}
  #onHeader: (payload: Buffer) => void = () => {}
  #deliveryTag = 0n
  /** Why the broker closed the channel or the connection; undefined while both are open. */
  closed: string | undefined

  static async open(url: string): Promise<RawClient> {
    const { hostname, port, username, password, pathname } = new URL(url)
    const client = new RawClient(connect({ host: hostname, port: Number(port) }))
    client.#socket.write(Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]))
    await client.#until(id(10, 10))
    const login = Buffer.from(`\0${decodeURIComponent(username)}\0${decodeURIComponent(password)}`)
    client.#method(0, 10, 11, encodeTable([]), shortString('PLAIN'), longString(login), shortString('en_US'))
    await client.#until(id(10, 30))
    // No heartbeats: it lives for minutes, on one machine.
    client.#method(0, 10, 31, Buffer.from([0, 10, 0, 2, 0, 0, 0, 0]))
    client.#method(0, 10, 40, shortString(decodeURIComponent(pathname.slice(1)) || '/'), shortString(''), Buffer.of(0))
    await client.#until(id(10, 41))
    client.#method(CHANNEL, 20, 10, shortString(''))
    await client.#until(id(20, 11))
    client.#method(CHANNEL, 85, 10, Buffer.of(0))
    await client.#until(id(85, 11))
    return client
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', (error) => this.#lost(error.message))
    socket.on('close', () => this.#lost('the socket was closed'))
  }

  /** Publishes one message whose header frame is `header`. Resolves with whether the broker confirmed it. */
  publish(exchange: string, routingKey: string, header: Buffer, body: Buffer): Promise<boolean> {
    if (this.closed !== undefined) return Promise.resolve(false)
    const frames = [
      frame(METHOD, method(60, 40, Buffer.from([0, 0]), shortString(exchange), shortString(routingKey), Buffer.of(0))),
      frame(HEADER, header),
    ]
    for (let at = 0; at < body.length; at += FRAME_MAX - 8)
      frames.push(frame(BODY, body.subarray(at, at + FRAME_MAX - 8)))
    const tag = ++this.#tag
    const confirmed = new Promise<boolean>((resolve) => this.#open.set(tag, resolve))
    this.#socket.write(Buffer.concat(frames))
    return confirmed
  }

  /** From now on calls back with the header frame of each message of a queue, and acknowledges it. */
  async consume(queue: string, onHeader: (payload: Buffer) => void): Promise<void> {
    this.#onHeader = onHeader
    this.#method(CHANNEL, 60, 10, Buffer.from([0, 0, 0, 0, 0x03, 0xe8, 0]))
    await this.#until(id(60, 11))
    this.#method(
      CHANNEL,
      60,
      20,
      Buffer.from([0, 0]),
      shortString(queue),
      shortString('fuzz'),
      Buffer.of(0),
      encodeTable([]),
    )
    await this.#until(id(60, 21))
  }

  async close(): Promise<void> {
    this.#socket.destroy()
    await this.#ended
  }

  #method(channel: number, className: number, number: number, ...parts: Buffer[]): void {
    this.#socket.write(frame(METHOD, method(className, number, ...parts), channel))
  }

  #until(name: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${name} from the broker`)), TIMEOUT_MS)
      this.#awaited = {
        method: name,
        done: (payload) => {
          clearTimeout(timer)
          resolve(payload)
        },
      }
      void this.#ended.then(() => {
        clearTimeout(timer)
        reject(new Error(this.closed))
      })
    })
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    while (this.#rest.length >= 7) {
      const size = this.#rest.readUInt32BE(3)
      if (this.#rest.length < size + 8) return
      const type = this.#rest[0]
      const payload = this.#rest.subarray(7, 7 + size)
      this.#rest = this.#rest.subarray(8 + size)
      if (type === METHOD) this.#called(payload)
      else if (type === HEADER) this.#delivered(payload)
    }
  }

  #called(payload: Buffer): void {
    const name = id(payload.readUInt16BE(0), payload.readUInt16BE(2))
    if (name === id(60, ACK) || name === id(60, NACK)) {
      const tag = payload.readBigUInt64BE(4)
      this.#confirmed(tag, ((payload[12] ?? 0) & 1) === 1, name === id(60, ACK))
    } else if (name === id(60, 60)) {
      this.#deliveryTag = payload.readBigUInt64BE(5 + (payload[4] ?? 0))
    } else if (name === id(20, 40) || name === id(10, 50)) {
      const length = payload[6] ?? 0
      this.#lost(`${payload.readUInt16BE(4)} ${payload.toString('utf8', 7, 7 + length)}`)
      this.#socket.destroy()
    } else if (name === this.#awaited?.method) {
      this.#awaited.done(payload)
    }
  }

  #delivered(payload: Buffer): void {
    this.#onHeader(payload)
    const tag = Buffer.alloc(9)
    tag.writeBigUInt64BE(this.#deliveryTag)
    this.#method(CHANNEL, 60, ACK, tag)
  }

  #confirmed(tag: bigint, multiple: boolean, accepted: boolean): void {
    const tags = multiple ? [...this.#open.keys()].filter((each) => each <= tag) : [tag]
    for (const each of tags) {
      this.#open.get(each)?.(accepted)
      this.#open.delete(each)
    }
  }

  #lost(reason: string): void {
    this.closed ??= reason
    for (const end of this.#open.values()) end(false)
    this.#open.clear()
    this.#end()
  }
}

function method(className: number, number: number, ...parts: Buffer[]): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(className)
  head.writeUInt16BE(number, 2)
  return Buffer.concat([head, ...parts])
}

function frame(type: number, payload: Buffer, channel = CHANNEL): Buffer {
  const head = Buffer.alloc(7)
  head.writeUInt8(type)
  head.writeUInt16BE(channel, 1)
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.of(FRAME_END)])
}

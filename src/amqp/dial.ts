/** One try to open a connection at one address: within its time, and with what went wrong told apart. */
import { type ChannelModel, connect } from 'amqplib'
import { textOf } from '../errors/index.js'
import { startTimer } from '../timers.js'
import type { Address } from './address.js'
import { extendCodec } from './codec.js'
import { withDeadline } from './deadline.js'
import { refusalOf } from './refusal.js'
import { cut, writeTogether } from './socket.js'

export interface DialOptions {
  /** Shown as the connection's name in RabbitMQ's management page. */
  readonly name: string
  readonly heartbeatSeconds: number
}

/** How long one address gets for TCP, TLS and the AMQP handshake. */
export const HANDSHAKE_TIMEOUT_MS = 5_000
/** How long a polite close may take before the socket is cut: a frozen broker answers never. */
const CLOSE_TIMEOUT_MS = 2_000
/** Why a connection was refused is asked for also at the very end of the time to connect. */
const LEAST_TIME_TO_ASK_MS = 500

const NO_ANSWER = 'no answer within'

/** Why a connection was not opened. */
export class DialError extends Error {
  /**
   * Whether every node would say the same until somebody changes something: a wrong password, a virtual host that does
   * not exist or is not this user's. A node that is away or starting, a virtual host that is down on it, or a limit of
   * connections are not.
   */
  readonly refused: boolean
  /** Whether the time was over before the node said anything. */
  readonly silent: boolean
  constructor(message: string, refused: boolean, cause?: unknown, silent = false) {
    super(message, { cause })
    this.name = 'DialError'
    this.refused = refused
    this.silent = silent
  }
}

/** Opens a connection within `timeoutMs`, or throws a `DialError`. When `signal` is aborted the try ends at once. */
export async function dial(
  address: Address,
  { name, heartbeatSeconds }: DialOptions,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ChannelModel> {
  // Of this try alone: once open, a connection is closed politely.
  const giveUp = new AbortController()
  const abort = (): void => giveUp.abort(new Error('closed meanwhile'))
  if (signal.aborted) throw new DialError('closed meanwhile', false)
  signal.addEventListener('abort', abort)
  const cancel = startTimer(timeoutMs, () => giveUp.abort(new Error(`${NO_ANSWER} ${Math.round(timeoutMs)} ms`)))
  const given = new Promise<never>((_, reject) => {
    giveUp.signal.addEventListener('abort', () => reject(giveUp.signal.reason))
  })
  const socketOptions = { noDelay: true, signal: giveUp.signal, clientProperties: { connection_name: name } }
  // amqplib decodes the virtual host once more.
  const target = { ...address, vhost: encodeURIComponent(address.vhost), heartbeat: heartbeatSeconds }
  const opening = connect(target, socketOptions)
  // One that opens too late is in nobody's hands.
  opening.then(
    (late) => giveUp.signal.aborted && discard(late),
    () => undefined,
  )
  try {
    const model = await Promise.race([opening, given])
    if (giveUp.signal.aborted) throw giveUp.signal.reason
    // Who waits for something is told by a rejection; without a listener the event would be thrown.
    model.on('error', () => undefined)
    model.setMaxListeners(0)
    extendCodec(model)
    writeTogether(model)
    return model
  } catch (error) {
    throw await explained(address, error, timeoutMs)
  } finally {
    cancel()
    signal.removeEventListener('abort', abort)
  }
}

/** Closes politely, then by force. Never throws, and takes no longer than a few seconds. */
export async function hangUp(model: ChannelModel): Promise<void> {
  await withDeadline(model.close(), CLOSE_TIMEOUT_MS, 'closing').catch(() => undefined)
  cut(model)
}

function discard(model: ChannelModel): void {
  model.on('error', () => undefined)
  cut(model)
}

async function explained(address: Address, error: unknown, timeoutMs: number): Promise<DialError> {
  const text = textOf(error)
  if (/Expected ConnectionOpenOk; got <ConnectionClose/.test(text)) {
    const said = await refusalOf(address, Math.max(LEAST_TIME_TO_ASK_MS, timeoutMs))
    // It opens now, or the node went away meanwhile: the next try shows.
    if (said === undefined) return new DialError('the node closed the connection before it was open', false, error)
    return new DialError(`${said.code} ${said.text}`, isFinal(said.code, said.text), error)
  }
  // `Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused …"`
  const [, code, message] = /terminated by server: (\d+) \([^)]*\) with message "([\s\S]*)"/.exec(text) ?? []
  if (code !== undefined) return new DialError(`${code} ${message}`, isFinal(Number(code), message ?? ''), error)
  return new DialError(text, false, error, text.startsWith(NO_ANSWER))
}

/** 403: the password. 530: the virtual host does not exist, or is not this user's; a limit of connections passes. */
const isFinal = (code: number, text: string): boolean => code === 403 || (code === 530 && !/limit/i.test(text))

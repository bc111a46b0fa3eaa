/** One attempt to open a connection to one address, with a time limit and classified errors. */
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
/** How long a regular close may take before the socket is destroyed, because a frozen broker never answers. */
const CLOSE_TIMEOUT_MS = 2_000
/** The reason for a refusal is queried even at the very end of the time to connect. */
const LEAST_TIME_TO_ASK_MS = 500

const NO_ANSWER = 'no answer within'

/** The reason why a connection was not opened. */
export class DialError extends Error {
  /**
   * Whether every node would refuse until somebody changes something: a wrong password, or a virtual host that does not exist
   * or that this user may not use. False for a node that is down or starting, a virtual host that is down on it, or a
   * connection limit.
   */
  readonly refused: boolean
  /** Whether the time was over before the node answered. */
  readonly silent: boolean
  constructor(message: string, refused: boolean, cause?: unknown, silent = false) {
    super(message, { cause })
    this.name = 'DialError'
    this.refused = refused
    this.silent = silent
  }
}

/** Opens a connection within `timeoutMs`, or throws a `DialError`. When `signal` is aborted, the attempt ends at once. */
export async function dial(
  address: Address,
  { name, heartbeatSeconds }: DialOptions,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ChannelModel> {
  // Only for this attempt: an open connection is closed regularly.
  const giveUp = new AbortController()
  const abort = (): void => giveUp.abort(new Error('closed meanwhile'))
  if (signal.aborted) throw new DialError('closed meanwhile', false)
  signal.addEventListener('abort', abort)
  const cancel = startTimer(timeoutMs, () => giveUp.abort(new Error(`${NO_ANSWER} ${Math.round(timeoutMs)} ms`)))
  const given = new Promise<never>((_, reject) => {
    giveUp.signal.addEventListener('abort', () => reject(giveUp.signal.reason))
  })
  const socketOptions = { noDelay: true, signal: giveUp.signal, clientProperties: { connection_name: name } }
  // amqplib decodes the virtual host a second time.
  const target = { ...address, vhost: encodeURIComponent(address.vhost), heartbeat: heartbeatSeconds }
  const opening = connect(target, socketOptions)
  // No caller owns a connection that opens too late.
  opening.then(
    (late) => giveUp.signal.aborted && discard(late),
    () => undefined,
  )
  try {
    const model = await Promise.race([opening, given])
    if (giveUp.signal.aborted) throw giveUp.signal.reason
    // Callers get a rejection; the event would throw without a listener.
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

/** Closes regularly, then by force. Never throws, and takes at most a few seconds. */
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
    // It opens now, or the node went down in the meantime: the next attempt will show.
    if (said === undefined) return new DialError('the node closed the connection before it was open', false, error)
    return new DialError(`${said.code} ${said.text}`, isFinal(said.code, said.text), error)
  }
  // `Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused …"`
  const [, code, message] = /terminated by server: (\d+) \([^)]*\) with message "([\s\S]*)"/.exec(text) ?? []
  if (code !== undefined) return new DialError(`${code} ${message}`, isFinal(Number(code), message ?? ''), error)
  return new DialError(text, false, error, text.startsWith(NO_ANSWER))
}

/** 403: the password. 530: the virtual host does not exist or this user may not use it; a connection limit is temporary. */
const isFinal = (code: number, text: string): boolean => code === 403 || (code === 530 && !/limit/i.test(text))

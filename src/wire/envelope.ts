/**
 * The task message on the wire: Celery's message protocol 2, both directions. Pure; nothing here talks to a broker.
 * Source: https://docs.celeryq.dev/en/stable/internals/protocol.html and the code of Celery 5.2.
 *
 * The body is `[args, kwargs, embed]`. A Warren task's input travels as `kwargs`: a Python worker gets keyword arguments.
 * `embed` holds Celery's canvas (callbacks, chains, chords): see `canvas.ts`.
 *
 * What a Celery 5.2 worker needs, and so what `encode` sends:
 * - headers `task` and `id`: the only ones read without a default (worker/consumer/consumer.py, worker/request.py).
 *   `task` also tells the worker protocol 2 from 1. `lang` tells people who wrote the message; workers never read it.
 * - `root_id` (default: the id, app/trace.py), `parent_id`, `group`, `retries` (0), `eta`, `expires`, `timelimit`,
 *   `origin`, `ignore_result` have defaults: sent only when they say something else.
 * - `argsrepr`, `kwargsrepr`, `shadow` have defaults and serve logs or Flower: not sent. The two
 *   reprs would repeat the input, which may be private, in every message's header.
 * - properties `content_type` and `content_encoding`, without which kombu refuses to decode the body
 *   (kombu/serialization.py); `correlation_id` and `reply_to`, used by Celery's rpc result backend.
 */
import { isUtf8 } from 'node:buffer'
import { InputError, MessageError, textOf } from '../errors/index.js'
import { type Canvas, canvasIn } from './canvas.js'
import { describe, formatInstant, isTable, parseJson } from './celeryValues.js'
import {
  countIn,
  type Headers,
  indexIn,
  instantIn,
  instantMsIn,
  isNothing,
  MAX_SHORT_BYTES,
  optionalText,
  shortTextOf,
  textIn,
  textsIn,
  timeLimitIn,
  traceIn,
} from './headerValues.js'
import { celeryHeaders as names, headers as ours } from './names.js'

/** A task message, decoded. */
export interface Envelope {
  /** The task's name, 1 to 255 bytes. */
  readonly task: string
  /** The task id, 1 to 255 bytes. */
  readonly id: string
  /** The id of the first message of this tree of tasks; the message's own id when it is the first. */
  readonly rootId: string
  /** The id of the task whose handler sent this message. */
  readonly parentId: string | undefined
  /** The id of the Celery group that the message belongs to. */
  readonly group: string | undefined
  /** The place of its result among those of the group. */
  readonly groupIndex: number | undefined
  /** How many attempts failed before; 0 on the first. */
  readonly retries: number
  /**
   * The run of the task: 0 for a message that was sent once; otherwise when it was redriven, or sent under a caller-chosen id,
   * in milliseconds since 1970. The store keeps the result of the latest run.
   */
  readonly run: number
  /** Not to be run before. */
  readonly eta: Date | undefined
  /** Not to be run after. */
  readonly expires: Date | undefined
  /** The shorter of Celery's hard and soft time limits, in milliseconds. */
  readonly timeLimitMs: number | undefined
  /** Positional arguments, which only Celery clients send. */
  readonly args: readonly unknown[]
  /** What is to follow, of a message that Celery's canvas is part of. */
  readonly canvas: Canvas | undefined
  /**
   * Celery's `kwargs`: an object from every Celery client, any JSON value from Warren. A Python worker runs objects only
   * and drops the rest without a result. Not yet validated.
   */
  readonly input: unknown
  /** Where the sender waits for the result: a Warren producer's channel, or a Celery rpc queue. */
  readonly replyTo: string | undefined
  /** Whether its sender asked to store no result: Celery's `ignore_result`. */
  readonly ignoreResult: boolean
  /** Who sent the message. */
  readonly origin: string | undefined
  /** When its sender sent it, in milliseconds since 1970; undefined if the sender does not set it. */
  readonly sent: number | undefined
  readonly tags: readonly string[]
  /** W3C trace context. */
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
}

/** What `encode` takes: an {@link Envelope} of which only three fields are needed. An `Envelope` fits as it is. */
export type NewEnvelope = Pick<Envelope, 'task' | 'id' | 'input'> & {
  readonly [Key in keyof Envelope]?: Envelope[Key] | undefined
}

/** A message ready for amqplib's `publish(exchange, routingKey, content, properties)`. */
export interface Encoded {
  readonly content: Buffer
  readonly properties: {
    readonly contentType: 'application/json'
    readonly contentEncoding: 'utf-8'
    readonly correlationId: string
    /** The task id again: `basic.return` and dead letters are looked up by it. */
    readonly messageId: string
    /** When it was first published, in whole seconds since 1970: a worker checks the store before it runs an old one. */
    readonly timestamp: number
    readonly replyTo?: string
    readonly persistent: true
    /** An unroutable message is returned instead of being dropped, which a confirm alone would not show. */
    readonly mandatory: true
    readonly headers: Record<string, unknown>
  }
}

/** The parts of amqplib's `MessageProperties` that are read. All of them are untrusted. */
export interface ReceivedProperties {
  readonly contentType?: unknown
  readonly contentEncoding?: unknown
  readonly replyTo?: unknown
  readonly headers?: unknown
}

const CONTENT_TYPE = 'application/json'
const CONTENT_ENCODING = 'utf-8'
/** Celery's own producer writes these four keys, and its worker asks for them. */
const EMBED = ',{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'

/**
 * Encodes a task message. Throws {@link InputError} if JSON cannot carry the input (undefined, BigInt, a cycle, a function),
 * the id is not 1 to 255 bytes, or a date is invalid.
 */
export function encode(message: NewEnvelope): Encoded {
  const { task, id } = message
  // Every UTF-16 unit takes at most three bytes, so a typical id need not be measured.
  if (id === '' || (id.length > MAX_SHORT_BYTES / 3 && Buffer.byteLength(id) > MAX_SHORT_BYTES)) {
    throw new InputError(task, [{ path: '', message: `expected the id to have 1 to 255 bytes, got: ${describe(id)}` }])
  }
  const args = message.args === undefined || message.args.length === 0 ? '[]' : stringify(task, 'args', message.args)
  const headers: Record<string, unknown> = { [names.lang]: 'js', [names.task]: task, [names.id]: id }
  if (message.rootId !== undefined && message.rootId !== id) headers[names.rootId] = message.rootId
  if (message.parentId !== undefined) headers[names.parentId] = message.parentId
  if (message.group !== undefined) headers[names.group] = message.group
  if (message.groupIndex !== undefined) headers[names.groupIndex] = message.groupIndex
  if (message.retries !== undefined && message.retries > 0) headers[names.retries] = message.retries
  if (message.run !== undefined && message.run > 0) headers[ours.run] = message.run
  if (message.sent !== undefined) headers[ours.sent] = message.sent
  if (message.tags !== undefined && message.tags.length > 0) headers[ours.tags] = message.tags
  if (message.ignoreResult === true) headers[names.ignoreResult] = true
  if (message.eta !== undefined) headers[names.eta] = instantOf(task, 'eta', message.eta)
  if (message.expires !== undefined) headers[names.expires] = instantOf(task, 'expires', message.expires)
  // [hard, soft], in seconds. Hard, since a soft limit only raises an error that a Python task may swallow.
  if (message.timeLimitMs !== undefined) headers[names.timeLimit] = [message.timeLimitMs / 1000, null]
  if (message.origin !== undefined) headers[names.origin] = message.origin
  if (message.traceparent !== undefined) headers[names.traceparent] = message.traceparent
  if (message.tracestate !== undefined) headers[names.tracestate] = message.tracestate
  return {
    content: Buffer.from(`[${args},${stringify(task, '', message.input)}${embedOf(message.canvas)}`),
    properties: propertiesOf(id, Date.now(), message.replyTo, headers),
  }
}

function embedOf(canvas: Canvas | undefined): string {
  if (canvas === undefined) return EMBED
  const { callbacks, errbacks, chain, chord = null } = canvas
  return `,${JSON.stringify({ callbacks, errbacks, chain, chord })}]`
}

/** The properties of a task message that is first published at `sentAt`, in milliseconds. */
export function propertiesOf(
  id: string,
  sentAt: number,
  replyTo: string | undefined,
  headers: Record<string, unknown>,
): Encoded['properties'] {
  return {
    contentType: CONTENT_TYPE,
    contentEncoding: CONTENT_ENCODING,
    correlationId: id,
    messageId: id,
    timestamp: Math.floor(sentAt / 1000),
    ...(replyTo === undefined ? undefined : { replyTo }),
    persistent: true,
    mandatory: true,
    headers,
  }
}

function stringify(task: string, path: string, value: unknown): string {
  let problem: string
  try {
    // TypeScript's signature leaves out that undefined, functions and symbols give undefined.
    const text = JSON.stringify(value) as string | undefined
    if (text !== undefined) return text
    problem = `got: ${describe(value)}`
  } catch (error) {
    problem = textOf(error)
  }
  throw new InputError(task, [{ path, message: `expected a value that JSON can carry; ${problem}` }])
}

function instantOf(task: string, path: string, instant: Date): string {
  const text = formatInstant(instant)
  if (text !== undefined) return text
  throw new InputError(task, [{ path, message: 'expected a valid date in the years 1 to 9999' }])
}

/**
 * Decodes a task message. Throws only {@link MessageError}, whose text says what was expected and what came, whatever the
 * properties and bytes are. The input is not validated here.
 */
export function decode(properties: ReceivedProperties, content: Buffer): Envelope {
  const headers = isTable(properties.headers) ? properties.headers : {}
  checkEncoding(properties, headers)
  const body = parseBody(content, headers[names.lang] !== 'js')
  if (headers[names.task] === undefined && isTable(body) && 'task' in body) {
    throw new MessageError(
      'Expected Celery message protocol 2, got protocol 1 (the task is named in the body, not in a header): set task_protocol = 2 in the sending Celery application',
    )
  }
  const task = shortTextOf(headers, names.task)
  const id = shortTextOf(headers, names.id)
  if (!Array.isArray(body) || body.length !== 3) {
    throw new MessageError(`Expected the body to be [args, kwargs, embed], got: ${describe(body)}`)
  }
  const [args, input, embed] = body as readonly unknown[]
  if (!Array.isArray(args)) throw new MessageError(`Expected args, body[0], to be a list, got: ${describe(args)}`)
  return {
    task,
    id,
    rootId: textIn(headers, names.rootId) ?? id,
    parentId: textIn(headers, names.parentId),
    group: textIn(headers, names.group),
    groupIndex: indexIn(headers, names.groupIndex),
    retries: countIn(headers, names.retries),
    run: countIn(headers, ours.run),
    eta: instantIn(headers, names.eta),
    expires: instantIn(headers, names.expires),
    timeLimitMs: timeLimitIn(headers),
    args,
    input,
    canvas: canvasIn(embed, headers[ours.flow] !== undefined),
    ignoreResult: !isEmpty(headers[names.ignoreResult]),
    replyTo: optionalText('property reply_to', properties.replyTo),
    origin: textIn(headers, names.origin),
    sent: instantMsIn(headers, ours.sent),
    tags: textsIn(headers, ours.tags),
    // An invalid trace context must not stop the work that it describes: W3C requires ignoring it.
    traceparent: traceIn(headers, names.traceparent),
    tracestate: traceIn(headers, names.tracestate),
  }
}

function checkEncoding({ contentType, contentEncoding }: ReceivedProperties, headers: Headers): void {
  if (typeof contentType !== 'string' || contentType.split(';', 1)[0]?.trim().toLowerCase() !== CONTENT_TYPE) {
    throw new MessageError(
      `Expected content type application/json, got: ${describe(contentType)}; in a Celery application set task_serializer = "json"`,
    )
  }
  const compression = headers[names.compression]
  if (!isNothing(compression)) {
    throw new MessageError(
      `Expected an uncompressed body, got compression: ${describe(compression)}; in a Celery application leave task_compression unset`,
    )
  }
  if (isNothing(contentEncoding)) return
  if (typeof contentEncoding !== 'string' || !/^(utf-?8|us-ascii)$/i.test(contentEncoding)) {
    throw new MessageError(`Expected content encoding utf-8, got: ${describe(contentEncoding)}`)
  }
}

function parseBody(content: Buffer, typed: boolean): unknown {
  // Without this check, bytes that are not UTF-8 would silently become U+FFFD: the input would change on its way.
  if (!isUtf8(content))
    throw new MessageError(`Expected the body to be UTF-8, got ${content.length} bytes that are not`)
  return parseJson('The body', content.toString('utf8'), { typed })
}

/** Python's falsy values, by which Celery itself decides whether to ignore the result. */
const isEmpty = (value: unknown): boolean =>
  !value || (Array.isArray(value) && value.length === 0) || (isTable(value) && Object.keys(value).length === 0)

/**
 * Spans and measurements by OpenTelemetry's conventions for messaging (https://opentelemetry.io/docs/specs/semconv/messaging/):
 * `send` on the way out, `process` for each attempt, and how the attempt is settled. A message keeps the context in which it
 * was sent through delays, retries and dead letters, so that all its attempts are children of its `send`.
 */
import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { describeThrown } from '../errors/error.js'
import { memberOf } from '../kinds.js'
import type { OutcomeKind } from '../task/outcome.js'
import { commandsExchange, domainOf, headers, withoutLane } from '../wire/names.js'
import type { OutgoingMessage } from '../wire/outgoingMessage.js'
import { activeInstruments, activeTracer } from './openTelemetry.js'

type Headers = Readonly<Record<string, unknown>>

interface Sendable {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  readonly message: Pick<OutgoingMessage, 'content'> & { readonly properties: { headers: Record<string, unknown> } }
}

const SYSTEM = { 'messaging.system': 'rabbitmq' }

/**
 * Runs `act`, which publishes the message, in a `send` span: a child of `parent` or of the active span, and the context that
 * the message carries from then on.
 */
export function sendTraced(sending: Sendable, act: () => Promise<void>, parent?: Context): Promise<void> {
  const tracer = activeTracer()
  const instruments = activeInstruments()
  if (tracer === undefined && instruments === undefined) return act()
  const { id, exchange, routingKey, message } = sending
  const destination = `${exchange}:${routingKey}`
  const about: Attributes = {
    ...SYSTEM,
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': destination,
  }
  const within = parent ?? context.active()
  const due = message.properties.headers[headers.due]
  const span = tracer?.startSpan(
    `send ${destination}`,
    {
      kind: SpanKind.PRODUCER,
      attributes: {
        ...about,
        'messaging.rabbitmq.destination.routing_key': routingKey,
        'messaging.message.id': id,
        'messaging.message.conversation_id': id,
        'messaging.message.body.size': message.content.length,
        'warren.task.name': withoutLane(routingKey),
        ...(typeof due === 'number' ? { 'warren.due': new Date(due).toISOString() } : {}),
      },
    },
    within,
  )
  if (span !== undefined) propagation.inject(trace.setSpan(within, span), message.properties.headers)
  const startedAt = performance.now()
  const ended = (error?: unknown): void => {
    const errorType = error === undefined ? {} : { 'error.type': errorTypeOf(error) }
    instruments?.sent.add(1, { ...about, ...errorType })
    instruments?.operation.record((performance.now() - startedAt) / 1000, { ...about, ...errorType })
    if (span === undefined) return
    if (error !== undefined) fail(span, error)
    span.end()
  }
  return act().then(
    () => ended(),
    (error: unknown) => {
      ended(error)
      throw error
    },
  )
}

/** The trace headers of a message; undefined for none. */
export function sendersContext(given: Headers | undefined): Context | undefined {
  if (given === undefined || activeTracer() === undefined) return undefined
  const found = propagation.extract(ROOT_CONTEXT, given, TEXTS_ONLY)
  return trace.getSpanContext(found) === undefined ? undefined : found
}

/** Headers are untrusted, and propagators expect strings. */
const TEXTS_ONLY = {
  keys: (carrier: Headers) => Object.keys(carrier),
  get: (carrier: Headers, key: string) => (typeof carrier[key] === 'string' ? carrier[key] : undefined),
}

/** The information about an attempt when it begins. */
export interface TracedAttempt {
  readonly id: string
  readonly queue: string
  /** The queue's task. */
  readonly task: string
  readonly number: number
  readonly headers: Headers | undefined
  readonly bodyBytes: number
  readonly redelivered: boolean
}

/** The name of the settle operation for each of Warren's outcomes. */
const SETTLED_BY: Readonly<Record<Exclude<OutcomeKind, 'held'>, string>> = {
  succeeded: 'ack',
  alreadyDone: 'ack',
  cancelled: 'ack',
  replaced: 'ack',
  limited: 'ack',
  retried: 'retry',
  deadLettered: 'dead_letter',
  postponed: 'postpone',
  returned: 'requeue',
}

/** One attempt, traced and measured: `process`, then the settling as its child. */
export class AttemptTrace {
  /** The context of the handler; undefined without tracing. */
  readonly context: Context | undefined
  readonly #about: Attributes
  readonly #attributes: Attributes
  readonly #destination: string
  readonly #creation: Context | undefined
  readonly #span: Span | undefined
  #settle: Span | undefined
  #settleName = ''

  private constructor(attempt: TracedAttempt) {
    const { task, queue, id, number, redelivered, bodyBytes } = attempt
    this.#destination = `${commandsExchange(domainOf(task))}:${task}:${queue}`
    this.#about = { ...SYSTEM, 'messaging.destination.name': this.#destination }
    this.#attributes = {
      ...this.#about,
      'messaging.rabbitmq.destination.routing_key': task,
      'messaging.message.id': id,
      'messaging.message.conversation_id': id,
      'warren.task.name': task,
      'warren.attempt': number,
    }
    activeInstruments()?.consumed.add(1, { ...this.#about, 'messaging.operation.name': 'process' })
    const tracer = activeTracer()
    if (tracer === undefined) return
    this.#creation = sendersContext(attempt.headers)
    const parent = this.#creation ?? ROOT_CONTEXT
    this.#span = tracer.startSpan(
      `process ${this.#destination}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          ...this.#attributes,
          'messaging.operation.name': 'process',
          'messaging.operation.type': 'process',
          'messaging.message.body.size': bodyBytes,
          'warren.redelivered': redelivered,
        },
        links: this.#links,
      },
      parent,
    )
    this.context = trace.setSpan(parent, this.#span)
  }

  /** Undefined without tracing and metrics. */
  static begin(attempt: () => TracedAttempt): AttemptTrace | undefined {
    if (activeTracer() === undefined && activeInstruments() === undefined) return undefined
    return new AttemptTrace(attempt())
  }

  /** The handler has ended, and settling begins. */
  ran(outcome: OutcomeKind, durationMs: number, error: unknown): void {
    // Nothing ran, and nothing is settled.
    if (outcome === 'held') {
      this.#span?.setAttribute('warren.outcome', outcome).end()
      return
    }
    const failed = error === undefined ? {} : { 'error.type': errorTypeOf(error) }
    activeInstruments()?.process.record(durationMs / 1000, {
      ...this.#about,
      ...failed,
      'messaging.operation.name': 'process',
    })
    const span = this.#span
    this.#settleName = SETTLED_BY[outcome]
    if (span === undefined) return
    span.setAttribute('warren.outcome', outcome)
    if (error !== undefined) fail(span, error)
    span.end()
    this.#settle = activeTracer()?.startSpan(
      `${this.#settleName} ${this.#destination}`,
      {
        kind: SpanKind.CLIENT,
        attributes: { ...this.#attributes, ...this.#settling, 'warren.outcome': outcome },
        links: this.#links,
      },
      this.context,
    )
  }

  /** How the message was settled. `lost`: its channel died first. */
  settled(settled: string, settleMs: number): void {
    const lost = settled === 'lost'
    const failed = lost ? { 'error.type': 'lost' } : {}
    activeInstruments()?.operation.record(settleMs / 1000, { ...this.#about, ...this.#settling, ...failed })
    const span = this.#settle
    if (span === undefined) return
    span.setAttributes({ 'warren.settled': settled, ...failed })
    if (lost)
      span.setStatus({ code: SpanStatusCode.ERROR, message: 'The channel died before the message was settled.' })
    span.end()
  }

  get #settling(): Attributes {
    return { 'messaging.operation.name': this.#settleName, 'messaging.operation.type': 'settle' }
  }

  get #links(): { context: NonNullable<ReturnType<typeof trace.getSpanContext>> }[] {
    const sender = this.#creation && trace.getSpanContext(this.#creation)
    return sender === undefined ? [] : [{ context: sender }]
  }
}

/** The `code`, as in Warren's and Node's errors; otherwise the error's class. */
function errorTypeOf(error: unknown): string {
  const code = memberOf(error, 'code')
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,60}$/.test(code) ? code : describeThrown(error).errorClass
}

function fail(span: Span, error: unknown): void {
  const { errorClass, message, traceback } = describeThrown(error)
  span.recordException({ name: errorClass, message, ...(traceback === undefined ? {} : { stack: traceback }) })
  span.setAttribute('error.type', errorTypeOf(error))
  span.setStatus({ code: SpanStatusCode.ERROR, message })
}

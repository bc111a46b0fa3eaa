/** W3C trace context: passed from the sender's active span to the handler's, if OpenTelemetry is set up. */
import { type Context, context, createContextKey, propagation, ROOT_CONTEXT } from '@opentelemetry/api'
import type { Envelope } from '../wire/envelope.js'

/** The headers of the active trace; empty when there is none. */
export function traceHeaders(): { traceparent?: string; tracestate?: string } {
  const carrier: { traceparent?: string; tracestate?: string } = {}
  propagation.inject(context.active(), carrier)
  return carrier
}

/** The context that a message's trace headers describe. */
export function traceContext({ traceparent, tracestate }: Envelope): Context {
  if (traceparent === undefined) return ROOT_CONTEXT
  return propagation.extract(ROOT_CONTEXT, { traceparent, ...(tracestate === undefined ? {} : { tracestate }) })
}

/** Runs `act` in the context of its attempt's span, or else of the message's trace. */
export function inTrace<T>(envelope: Envelope, span: Context | undefined, act: () => T): T {
  if (span !== undefined) return context.with(span, act)
  return envelope.traceparent === undefined ? act() : context.with(traceContext(envelope), act)
}

/**
 * The key by which OpenTelemetry's SDK and its propagators recognise suppressed tracing. It is `suppressTracing` of
 * `@opentelemetry/core`; the same text creates the same key.
 */
const SUPPRESSED = ROOT_CONTEXT.setValue(createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING'), true)

/**
 * Runs `act` with instrumentation suppressed. amqplib's instrumentation would overwrite a message's `traceparent` with the
 * context in which it happens to be written, usually that of another message's confirm.
 */
export function withoutTracing(act: () => void): void {
  context.with(SUPPRESSED, act)
}

/**
 * The original of a method that an instrumentation wrapped: amqplib's would create a second `process` span for each delivery,
 * which ends with the acknowledgement and ignores attempts.
 */
export const withoutSpans = <Method extends object>(method: Method): Method =>
  (method as { __original?: Method }).__original ?? method

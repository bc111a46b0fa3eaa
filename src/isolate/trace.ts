/** Passes the trace context into an isolate. OpenTelemetry must be set up again there, because nothing else is shared. */
import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api'

/** The active context in the propagator's format; empty if there is none. */
export function activeTrace(): { trace?: Readonly<Record<string, string>> } {
  const trace: Record<string, string> = {}
  propagation.inject(context.active(), trace)
  return Object.keys(trace).length === 0 ? {} : { trace }
}

/** Runs `act` in that trace. */
export const inTrace = <T>(trace: Readonly<Record<string, string>>, act: () => T): T =>
  context.with(propagation.extract(ROOT_CONTEXT, trace), act)

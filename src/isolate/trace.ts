/** The trace on its way into an isolate, where OpenTelemetry has to be set up again: nothing else crosses that border. */
import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api'

/** What is active, as the propagator writes it; empty where there is none. */
export function activeTrace(): { trace?: Readonly<Record<string, string>> } {
  const trace: Record<string, string> = {}
  propagation.inject(context.active(), trace)
  return Object.keys(trace).length === 0 ? {} : { trace }
}

/** Runs `act` in that trace. */
export const inTrace = <T>(trace: Readonly<Record<string, string>>, act: () => T): T =>
  context.with(propagation.extract(ROOT_CONTEXT, trace), act)

// A handler in a thread or a child process of its own, where OpenTelemetry is set up again: says which span it sees.
import { trace } from '@opentelemetry/api'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

new NodeTracerProvider().register()

export default async function traced() {
  const above = trace.getActiveSpan()?.spanContext()
  await new Promise((resolve) => setImmediate(resolve))
  return { traceId: above?.traceId, spanId: above?.spanId, afterwards: trace.getActiveSpan()?.spanContext().spanId }
}

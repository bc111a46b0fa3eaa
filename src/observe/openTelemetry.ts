/**
 * Checks whether the application has set up OpenTelemetry, and returns the tracer and instruments. Checked for each message,
 * because providers may be registered late; without one, this costs a single comparison.
 */
import {
  type Counter,
  createNoopMeter,
  type Histogram,
  type MeterProvider,
  metrics,
  ProxyTracerProvider,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'

const SCOPE = 'warren'

/** The defaults that OpenTelemetry's API returns without a registered provider. */
const NO_TRACES = new ProxyTracerProvider().getDelegate()
const NO_METER = createNoopMeter()

let tracerProvider: TracerProvider | undefined
let tracer: Tracer | undefined

/** Undefined without tracing. */
export function activeTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider() as TracerProvider & Partial<ProxyTracerProvider>
  const real = provider.getDelegate?.() ?? provider
  if (real !== tracerProvider) {
    tracerProvider = real
    tracer = real === NO_TRACES ? undefined : real.getTracer(SCOPE)
  }
  return tracer
}

/** The metrics of OpenTelemetry's conventions for messaging. Seconds. */
export interface Instruments {
  readonly sent: Counter
  readonly consumed: Counter
  readonly operation: Histogram
  readonly process: Histogram
}

let meterProvider: MeterProvider | undefined
let instruments: Instruments | undefined

/** Undefined without metrics. */
export function activeInstruments(): Instruments | undefined {
  const provider = metrics.getMeterProvider()
  if (provider !== meterProvider) {
    meterProvider = provider
    instruments = instrumentsOf(provider)
  }
  return instruments
}

/** The buckets that the conventions recommend, and three more for long tasks. */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300]

function instrumentsOf(provider: MeterProvider): Instruments | undefined {
  const meter = provider.getMeter(SCOPE)
  if (meter === NO_METER) return undefined
  const seconds = (name: string, description: string): Histogram =>
    meter.createHistogram(name, { description, unit: 's', advice: { explicitBucketBoundaries: BOUNDARIES } })
  const messages = (name: string, description: string): Counter =>
    meter.createCounter(name, { description, unit: '{message}' })
  return {
    sent: messages('messaging.client.sent.messages', 'Messages that a producer tried to send to the broker.'),
    consumed: messages('messaging.client.consumed.messages', 'Messages that were delivered to a worker and attempted.'),
    operation: seconds('messaging.client.operation.duration', 'How long sending and settling took.'),
    process: seconds('messaging.process.duration', 'How long attempts ran.'),
  }
}

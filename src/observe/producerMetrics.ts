/**
 * Prometheus metrics of what a process sends: listeners of the events that `connect()`'s object emits. Labels have few
 * values: the connection's name, and of a confirm the exchange.
 */
import type { EventEmitter } from 'node:events'
import type { Registry } from 'prom-client'
import { OptionsError } from '../errors/index.js'
import { kindOf } from '../options.js'
import { DELAY_PREFIX } from '../wire/names.js'
import type { WarrenEvents } from './events.js'
import type { MetricsRegistry } from './metricsRegistry.js'
import { loadPromClient } from './promClient.js'
import { fewValues, lacks, listenTo, registryOf, registryProblem, Watches } from './registry.js'

/** What is being sent at the moment. */
export interface Sending {
  /** The connection's name. */
  readonly name: string
  /** Messages that were handed over and are not confirmed. */
  readonly unconfirmed: number
  /** The broker does not read from publishers: a memory or disk alarm. */
  readonly blocked: boolean
  readonly connected: boolean
  readonly store: 'available' | 'unavailable' | 'none'
}

/** A connection as listeners see it. */
export type ObservedWarren = Pick<EventEmitter<WarrenEvents>, 'on' | 'off'> & {
  readonly sending: Sending
}

/** Seconds; a confirm takes a write to the disks of most nodes. */
const CONFIRM_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30]

/** Seconds; from a few short steps to a day. */
const FLOW_BUCKETS = [0.05, 0.25, 1, 5, 15, 60, 300, 1_800, 7_200, 86_400]
/** There are about twenty; a dead letter may have brought another one. */
const MAX_FLOW_REASONS = 40

/**
 * Registers the metrics of what is sent over a connection in `given`, a `Registry` of prom-client, or in a new one, until
 * the connection is closed. As `workerMetrics` otherwise: both may be in one registry. Throws `OptionsError`, and
 * `MISSING_PACKAGE` when prom-client is not installed.
 */
export function producerMetrics<Given extends MetricsRegistry>(warren: ObservedWarren, given: Given): Given
export function producerMetrics(warren: ObservedWarren, given?: undefined): MetricsRegistry
export function producerMetrics(warren: ObservedWarren, given?: MetricsRegistry): MetricsRegistry {
  const problems = [
    lacks(warren, 'on', 'off', 'send') ? `expected what connect() returns, got: ${kindOf(warren)}` : undefined,
    registryProblem(given),
  ].filter((problem) => problem !== undefined)
  if (problems.length > 0) throw new OptionsError('producerMetrics', problems)
  const registry = registryOf(given, 'producerMetrics')
  watches.watch(registry, warren, (metrics, forget) => listen(warren, metrics, forget))
  return registry
}

function listen(
  warren: ObservedWarren,
  { confirms, latency, republished, blockedFor, flowsStarted, flowsEnded, flowDuration }: ReturnType<typeof register>,
  forget: () => void,
): () => void {
  const { name } = warren.sending
  // They are there from the beginning, so that the first of each is seen to be more than none.
  latency.zero({ name })
  republished.inc({ name }, 0)
  blockedFor.inc({ name }, 0)
  flowsStarted.inc({ name }, 0)
  const listeners: { [Event in keyof WarrenEvents]?: (...values: WarrenEvents[Event]) => void } = {
    confirmed: ({ exchange, latencyMs }) => {
      confirms.inc({ name, exchange: exchange.startsWith(DELAY_PREFIX) ? DELAYED : exchange })
      latency.observe({ name }, latencyMs / 1000)
    },
    republished: ({ count }) => republished.inc({ name }, count),
    unblocked: ({ role, blockedMs }) => {
      if (role === 'publish') blockedFor.inc({ name }, blockedMs / 1000)
    },
    flowStarted: () => flowsStarted.inc({ name }),
    flowEnded: ({ state, reason = '', tookMs }) => {
      flowsEnded.inc({ name, state, reason: reason && flowReason(reason) })
      flowDuration.observe({ name, state }, tookMs / 1000)
    },
    connectionState: ({ role, state }) => {
      if (role === 'publish' && state === 'closed') forget()
    },
  }
  return listenTo(warren, listeners)
}

/** All delay levels together. */
const DELAYED = 'warren.delay'

function register(registry: Registry, warrens: () => Iterable<ObservedWarren>) {
  const { Counter, Gauge, Histogram } = loadPromClient()
  const registers = [registry]
  const labelNames = ['name']
  /** `both`: the value of two connections that have one name. */
  const gauge = (name: string, help: string, of: (sending: Sending) => number, both: Both) =>
    new Gauge({
      ...{ name, help, labelNames, registers },
      collect() {
        this.reset()
        const byName = new Map<string, number>()
        for (const { sending } of warrens()) {
          const [value, known] = [of(sending), byName.get(sending.name)]
          byName.set(sending.name, known === undefined ? value : both(known, value))
        }
        for (const [each, value] of byName) this.set({ name: each }, value)
      },
    })
  const confirms = new Counter({
    name: 'warren_confirms_total',
    help: 'Messages that were sent and confirmed, by exchange.',
    labelNames: ['name', 'exchange'],
    registers,
  })
  const latency = new Histogram({
    name: 'warren_confirm_duration_seconds',
    help: "From a message's first write to the broker's confirm.",
    buckets: CONFIRM_BUCKETS,
    ...{ labelNames, registers },
  })
  const republished = new Counter({
    name: 'warren_republished_total',
    help: 'Messages that were published again under the same ids, after a lost connection or a refusal.',
    ...{ labelNames, registers },
  })
  const blockedFor = new Counter({
    name: 'warren_blocked_seconds_total',
    help: 'How long the broker blocked publishers, of blocks that have ended.',
    ...{ labelNames, registers },
  })
  const flowsStarted = new Counter({
    name: 'warren_flows_started_total',
    help: 'Flows that were started.',
    ...{ labelNames, registers },
  })
  const flowsEnded = new Counter({
    name: 'warren_flows_ended_total',
    help: 'Flows that ended, by how, and why they did not succeed.',
    labelNames: ['name', 'state', 'reason'],
    registers,
  })
  const flowDuration = new Histogram({
    name: 'warren_flow_duration_seconds',
    help: 'How long flows took, from their start to their end.',
    labelNames: ['name', 'state'],
    buckets: FLOW_BUCKETS,
    registers,
  })
  return {
    ...{ confirms, latency, republished, blockedFor, flowsStarted, flowsEnded, flowDuration },
    unconfirmed: gauge('warren_unconfirmed', 'Messages that wait for their confirm.', (of) => of.unconfirmed, sum),
    blocked: gauge('warren_blocked', '1 while the broker blocks publishers.', (of) => Number(of.blocked), Math.max),
    connected: gauge(
      'warren_connected',
      '1 while there is a connection to publish on.',
      (of) => Number(of.connected),
      Math.min,
    ),
    store: gauge(
      'warren_store_available',
      '1 while the result store stores, or there is none.',
      (of) => Number(of.store !== 'unavailable'),
      Math.min,
    ),
  }
}

type Both = (one: number, other: number) => number
const sum: Both = (one, other) => one + other

const flowReason = fewValues(MAX_FLOW_REASONS)

const watches = new Watches(register)

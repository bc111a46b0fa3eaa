/**
 * Registries of prom-client, and what is watched in each. Metrics come into a registry with the first that is watched
 * there, and leave it as they found it with the last.
 */
import type { Registry } from 'prom-client'
import { memberOf } from '../kinds.js'
import { kindOf } from '../options.js'
import type { MetricsRegistry } from './metricsRegistry.js'
import { loadPromClient } from './promClient.js'

/** What is wrong with a registry that somebody hands in; undefined for none and for a good one. */
export const registryProblem = (registry: unknown): string | undefined =>
  registry !== undefined && lacks(registry, 'registerMetric', 'getSingleMetric', 'metrics')
    ? `expected a Registry of prom-client, got: ${kindOf(registry)}`
    : undefined

export const lacks = (value: unknown, ...methods: string[]): boolean =>
  methods.some((name) => typeof memberOf(value, name) !== 'function')

/** The registry that was handed in, or a new one, with the metrics of the process. */
export function registryOf(given: MetricsRegistry | undefined, where: string): Registry {
  const registry = (given ?? new (loadPromClient(where).Registry)()) as Registry
  addProcessMetrics(registry)
  return registry
}

/** One of prom-client's own, by which a registry that has them is known. */
const A_PROCESS_METRIC = 'process_start_time_seconds'

/** Adds what is missing, one by one: an application may have registered all of them, or some. */
function addProcessMetrics(registry: Registry): void {
  if (registry.getSingleMetric(A_PROCESS_METRIC) !== undefined) return
  const { collectDefaultMetrics, Registry } = loadPromClient()
  const all = new Registry()
  collectDefaultMetrics({ register: all })
  for (const metric of all.getMetricsAsArray()) {
    if (registry.getSingleMetric(metric.name) === undefined) registry.registerMetric(metric as never)
  }
}

/** Makes metrics in a registry. `watched` are those that are watched, whenever it is called. */
export type Register<Watched, Metrics> = (registry: Registry, watched: () => Iterable<Watched>) => Metrics

/** What is watched in one registry. */
class WatchedIn<Watched, Metrics extends object> {
  readonly #registry: Registry
  readonly #metrics: Metrics
  /** Each with what takes its listeners away. */
  readonly #watched = new Map<Watched, () => void>()

  constructor(registry: Registry, register: Register<Watched, Metrics>) {
    this.#registry = registry
    this.#metrics = register(registry, () => this.#watched.keys())
  }

  /** Whether the metrics are still in the registry: its owner may have cleared it. */
  get registered(): boolean {
    return this.#all.every((metric) => this.#registry.getSingleMetric(nameOf(metric)) === (metric as unknown))
  }

  watch(each: Watched, listen: (metrics: Metrics, forget: () => void) => () => void): void {
    if (this.#watched.has(each)) return
    this.#watched.set(
      each,
      listen(this.#metrics, () => this.#forget(each)),
    )
  }

  #forget(each: Watched): void {
    this.#watched.get(each)?.()
    this.#watched.delete(each)
    if (this.#watched.size > 0 || !this.registered) return
    for (const metric of this.#all) this.#registry.removeSingleMetric(nameOf(metric))
  }

  get #all(): object[] {
    return Object.values(this.#metrics)
  }
}

/** Those that are watched, of one kind, in all registries. */
export class Watches<Watched, Metrics extends object> {
  readonly #register: Register<Watched, Metrics>
  readonly #in = new WeakMap<Registry, WatchedIn<Watched, Metrics>>()

  constructor(register: Register<Watched, Metrics>) {
    this.#register = register
  }

  /** `listen` returns what takes its listeners away, and may call `forget` once there will be no more to hear. */
  watch(registry: Registry, each: Watched, listen: (metrics: Metrics, forget: () => void) => () => void): void {
    let known = this.#in.get(registry)
    if (known === undefined || !known.registered) {
      known = new WatchedIn(registry, this.#register)
      this.#in.set(registry, known)
    }
    known.watch(each, listen)
  }
}

interface Emitter {
  on(event: never, listener: never): unknown
  off(event: never, listener: never): unknown
}

/** Adds listeners by their events. Returns what takes them away. */
export function listenTo(
  emitter: Emitter,
  listeners: Readonly<Record<string, (...values: never[]) => void>>,
): () => void {
  const each = Object.entries(listeners) as [never, never][]
  for (const [event, listener] of each) emitter.on(event, listener)
  return () => {
    for (const [event, listener] of each) emitter.off(event, listener)
  }
}

const OTHER = 'other'

/** Keeps a label that users name to few values: all but the first `most` become `other`. */
export function fewValues(most: number): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.size < most) known.add(value)
    return known.has(value) ? value : OTHER
  }
}

/** prom-client's types leave the name out. */
const nameOf = (metric: object): string => (metric as { name: string }).name

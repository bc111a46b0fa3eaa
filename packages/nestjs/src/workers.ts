/**
 * The workers of the application: finds the methods with `@HandleTask`, starts their workers, and drains them.
 *
 *     new ──start()──▶ running ──onModuleDestroy, stop()──▶ stopped
 *
 * They drain in `onModuleDestroy`, the first of Nest's hooks at the end, while the handlers' resources still exist; requests in
 * progress may still send. The connection is closed last, in `onApplicationShutdown`.
 */
import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common'
import { DiscoveryService, MetadataScanner } from '@nestjs/core'
import { OptionsError, type Warren, type Worker, type WorkerOptions } from 'warren'
import { HANDLED, type Handled } from './handleTask.js'
import type { WarrenModuleOptions } from './options.js'
import { WARREN, WARREN_OPTIONS } from './tokens.js'

interface Found extends Handled {
  /** As in `InvoiceHandlers.send`, for messages. */
  readonly where: string
  readonly singleton: boolean
  readonly call: (...given: unknown[]) => unknown
}

@Injectable()
export class WarrenWorkers implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  readonly #warren: Warren
  readonly #options: WarrenModuleOptions
  readonly #discovery: DiscoveryService
  readonly #scanner: MetadataScanner
  #workers: ReadonlyMap<string | undefined, Worker> = new Map()
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(
    @Inject(WARREN) warren: Warren,
    @Inject(WARREN_OPTIONS) options: WarrenModuleOptions,
    @Inject(DiscoveryService) discovery: DiscoveryService,
    @Inject(MetadataScanner) scanner: MetadataScanner,
  ) {
    this.#warren = warren
    this.#options = options
    this.#discovery = discovery
    this.#scanner = scanner
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.#options.autoStart === false) return
    // A test's mock that only sends.
    if (typeof this.#warren?.worker !== 'function') return
    try {
      await this.start()
    } catch (error) {
      // Nest does not run the hooks of an application that fails to start.
      await this.#warren.close()
      throw error
    }
  }

  async onModuleDestroy(): Promise<void> {
    await this.stop()
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#warren?.close?.()
  }

  /**
   * Starts the workers; the module does unless `autoStart` is false. Starts nothing if there are no handlers. Throws
   * `OptionsError` for a handler whose worker is not in the options, and the errors of `worker.start()`.
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Lets the workers finish running tasks, within their `gracePeriodMs`. Safe to call twice, or before the start. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** The workers, by their names; the module's own `worker` as `default`. For `serveWorker`, health and metrics. */
  get running(): Readonly<Record<string, Worker>> {
    return Object.fromEntries([...this.#workers].map(([name, worker]) => [name ?? 'default', worker]))
  }

  async #start(): Promise<void> {
    const found = this.#find()
    const problems = found.flatMap((each) => this.#problemsOf(each))
    if (problems.length > 0) throw new OptionsError('WarrenModule', problems)
    const workers = new Map<string | undefined, Worker>()
    for (const { worker: name, task, call } of found) {
      let worker = workers.get(name)
      if (worker === undefined) {
        worker = this.#warren.worker(this.#optionsOf(name) as WorkerOptions)
        workers.set(name, worker)
      }
      worker.handle(task, call)
    }
    this.#workers = workers
    await Promise.all([...workers.values()].map((worker) => worker.start()))
  }

  async #stop(): Promise<void> {
    // One that is starting is stopped as soon as it has.
    await this.#starting?.catch(() => undefined)
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()))
  }

  #optionsOf(name: string | undefined): WorkerOptions | undefined {
    const { worker, workers = {} } = this.#options
    if (name === undefined) return worker
    return Object.hasOwn(workers, name) ? workers[name] : undefined
  }

  #problemsOf({ where, worker, singleton }: Found): string[] {
    const asked = worker === undefined ? '`worker`' : `\`workers.${worker}\``
    return [
      ...(this.#optionsOf(worker) === undefined
        ? [`expected ${asked} to be given, since ${where} handles a task (or \`autoStart: false\` where nothing is to)`]
        : []),
      ...(singleton
        ? []
        : [`expected the provider of ${where} to be a singleton: there is no request when a task runs`]),
    ]
  }

  /** The methods with `@HandleTask` of all providers and controllers. */
  #find(): Found[] {
    const found: Found[] = []
    for (const wrapper of [...this.#discovery.getProviders(), ...this.#discovery.getControllers()]) {
      const { instance } = wrapper
      // A scoped provider has no instance yet; its class shows what it handles.
      const prototype = instance ? Object.getPrototypeOf(instance) : wrapper.metatype?.prototype
      if (typeof prototype !== 'object' || prototype === null) continue
      for (const name of this.#scanner.getAllMethodNames(prototype)) {
        const method = prototype[name] as object
        const handled = Reflect.getMetadata(HANDLED, method) as Handled | undefined
        if (handled === undefined) continue
        found.push({
          ...handled,
          where: `${wrapper.name}.${name}`,
          singleton: wrapper.isDependencyTreeStatic(),
          // Looked up at each call, so that a test may spy on the method.
          call: (...given) => (instance as Record<string, (...given: unknown[]) => unknown>)[name]?.(...given),
        })
      }
    }
    return found
  }
}

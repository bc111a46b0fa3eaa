/** The options of `forRoot` and `forRootAsync`. */
import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency } from '@nestjs/common'
import { type ConnectOptions, checkOptions, is, type WorkerOptions } from 'warren'

export interface WarrenModuleOptions {
  /** The options of `connect()`. Without a `logger`, log lines go to Nest's. */
  readonly connect: ConnectOptions
  /** The worker for handlers that do not name one. Omit it in an application that only sends. */
  readonly worker?: WorkerOptions | undefined
  /** More workers, by the names that handlers use: for another service, or another concurrency. */
  readonly workers?: Readonly<Record<string, WorkerOptions>> | undefined
  /** Whether workers start with the application. With false, call `start()` of `WarrenWorkers`. Default true. */
  readonly autoStart?: boolean | undefined
}

export interface WarrenModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** The providers passed to the factory. */
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[]
  // The parameters are the providers in `inject`, whose types the compiler does not know.
  readonly useFactory: (...injected: never[]) => WarrenModuleOptions | Promise<WarrenModuleOptions>
}

/** Throws an `OptionsError` that lists every problem. Warren checks the options of `connect` and of the workers. */
export function checkModuleOptions(options: unknown): WarrenModuleOptions {
  return checkOptions('WarrenModule', options, CHECKS, ['connect']) as unknown as WarrenModuleOptions
}

const CHECKS = {
  connect: Object.assign((value: unknown) => is.record(value), { secret: true }),
  worker: is.record,
  workers: is.record,
  autoStart: is.flag,
}

/** What `forRoot` and `forRootAsync` take. */
import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency } from '@nestjs/common'
import { type ConnectOptions, checkOptions, is, type WorkerOptions } from 'warren'

export interface WarrenModuleOptions {
  /** What `connect()` takes. Without a `logger`, lines go to Nest's. */
  readonly connect: ConnectOptions
  /** The worker for handlers that name none. Left out in an application that only sends. */
  readonly worker?: WorkerOptions | undefined
  /** More workers, by the names that handlers give: for another service, or another concurrency. */
  readonly workers?: Readonly<Record<string, WorkerOptions>> | undefined
  /** Whether workers start with the application. With false, call `start()` of `WarrenWorkers`. Default true. */
  readonly autoStart?: boolean | undefined
}

export interface WarrenModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** What the factory is called with. */
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[]
  // The parameters are what `inject` names, which the compiler does not know.
  readonly useFactory: (...injected: never[]) => WarrenModuleOptions | Promise<WarrenModuleOptions>
}

/** Throws an `OptionsError` that names every problem. What `connect` and the workers take, Warren checks. */
export function checkModuleOptions(options: unknown): WarrenModuleOptions {
  return checkOptions('WarrenModule', options, CHECKS, ['connect']) as unknown as WarrenModuleOptions
}

const CHECKS = {
  connect: Object.assign((value: unknown) => is.record(value), { secret: true }),
  worker: is.record,
  workers: is.record,
  autoStart: is.flag,
}

/** The module: one connection and its workers for the whole application. Global, so that features only inject. */
import { type DynamicModule, Module, type Provider } from '@nestjs/common'
import { DiscoveryModule } from '@nestjs/core'
import { connect } from 'warren'
import { nestLogger } from './logger.js'
import { checkModuleOptions, type WarrenModuleAsyncOptions, type WarrenModuleOptions } from './options.js'
import { WARREN, WARREN_OPTIONS } from './tokens.js'
import { WarrenWorkers } from './workers.js'

@Module({})
// biome-ignore lint/complexity/noStaticOnlyClass: what Nest calls a dynamic module
export class WarrenModule {
  /** Connects when the application starts; if that fails, the application does not start. */
  static forRoot(options: WarrenModuleOptions): DynamicModule {
    return moduleOf({ provide: WARREN_OPTIONS, useValue: checkModuleOptions(options) })
  }

  /** With options from a factory, into which other providers can be injected. */
  static forRootAsync({ imports = [], inject = [], useFactory }: WarrenModuleAsyncOptions): DynamicModule {
    const options: Provider = {
      provide: WARREN_OPTIONS,
      inject,
      useFactory: async (...injected: never[]) => checkModuleOptions(await useFactory(...injected)),
    }
    return moduleOf(options, imports)
  }
}

function moduleOf(options: Provider, imports: NonNullable<DynamicModule['imports']> = []): DynamicModule {
  return {
    module: WarrenModule,
    global: true,
    imports: [DiscoveryModule, ...imports],
    providers: [
      options,
      {
        provide: WARREN,
        inject: [WARREN_OPTIONS],
        useFactory: ({ connect: given }: WarrenModuleOptions) => connect({ logger: nestLogger(), ...given }),
      },
      WarrenWorkers,
    ],
    exports: [WARREN, WarrenWorkers],
  }
}

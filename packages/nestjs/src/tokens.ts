/** The injection tokens of the module's providers. */
import { Inject } from '@nestjs/common'

/** The `Warren` that `connect()` resolves with. Override it in tests. */
export const WARREN = Symbol.for('warren.nestjs.connection')
export const WARREN_OPTIONS = Symbol.for('warren.nestjs.options')

/** Injects the connection: `constructor(@InjectWarren() private readonly warren: Warren)`. */
export const InjectWarren = (): PropertyDecorator & ParameterDecorator => Inject(WARREN)

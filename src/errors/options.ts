/** Errors for wrong use of Warren. */
import { WarrenError } from './error.js'
import { identify } from './identity.js'

/** An option is missing, unknown, or of the wrong shape. Lists all problems, not only the first. */
export class OptionsError extends WarrenError {
  static {
    identify(OptionsError, 'OptionsError')
  }

  readonly problems: readonly string[]
  constructor(where: string, problems: readonly string[]) {
    super('INVALID_OPTIONS', `${where}: ${problems.join('; ')}`)
    this.problems = problems
  }
}

/** The called function needs an optional package that is not installed. */
export class MissingPackageError extends WarrenError {
  static {
    identify(MissingPackageError, 'MissingPackageError')
  }

  constructor(what: string, packageName: string, cause: unknown) {
    super(
      'MISSING_PACKAGE',
      `${what} needs the package ${packageName}, which is not installed: npm install ${packageName}`,
      {
        cause,
      },
    )
  }
}

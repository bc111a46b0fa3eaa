/** Options, checked as Warren checks its own. */
import { checkOptions } from 'warren'

/** `options` with `fallbacks` where they are left out. Throws one `OptionsError` that names every problem. */
export function settle<Options extends object, Fallbacks extends Partial<Options>>(
  where: string,
  options: Options,
  checks: Parameters<typeof checkOptions>[2],
  fallbacks: Fallbacks,
  required: readonly string[] = [],
): Options & Fallbacks {
  return { ...fallbacks, ...checkOptions(where, options, checks, required) } as Options & Fallbacks
}

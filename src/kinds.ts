/**
 * Type checks that work across realms: a test runner, a `vm` context or a second copy of a package has its own classes, so
 * `instanceof` alone is false for its errors, dates and promises. None of these functions ever throws.
 */
import { types } from 'node:util'

/** Whether a value is an error. */
export const isError = (value: unknown): value is Error => {
  if (types.isNativeError(value)) return true
  try {
    return value instanceof Error
  } catch {
    return false
  }
}

/** Whether a value is awaited by `await`: a promise of any library, or a query builder that looks like one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof memberOf(value, 'then') === 'function'
}

/** Whether a value has the parts of an `AbortSignal` that Warren uses. */
export const isAbortSignal = (value: unknown): value is AbortSignal =>
  typeof memberOf(value, 'aborted') === 'boolean' &&
  typeof memberOf(value, 'addEventListener') === 'function' &&
  typeof memberOf(value, 'removeEventListener') === 'function'

/** The property `key` of a value; undefined also if reading it throws: a getter, a revoked proxy. */
export function memberOf(value: unknown, key: PropertyKey): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return undefined
  try {
    return Reflect.get(value, key)
  } catch {
    return undefined
  }
}

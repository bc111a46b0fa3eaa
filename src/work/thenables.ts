/**
 * Following what users' code returned. Thenables are followed here: `resolve` would follow one of a thenable's own without a
 * limit, and one that resolves with itself would take all turns of this process, so that no timer ever ran again.
 */
import { isThenable } from '../observe/contained.js'

/** How many thenables may resolve with another one in a row. */
const MAX_THENABLES = 100

/** Calls one of the two once, with what `value` comes to. Never throws. */
export function follow(
  value: unknown,
  resolve: (value: unknown) => void,
  reject: (error: unknown) => void,
  depth = 0,
): void {
  try {
    if (!isThenable(value)) resolve(value)
    else if (depth < MAX_THENABLES) value.then((next) => follow(next, resolve, reject, depth + 1), reject)
    else {
      reject(new TypeError('expected a value, got a thenable that resolves with itself, or with others in a circle'))
    }
  } catch (error) {
    reject(error)
  }
}

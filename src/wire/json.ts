/** Finds out how JSON changes a value: which parts arrive unchanged, and which do not. */

/** A part of a value that JSON changes. */
export interface JsonChange {
  readonly path: readonly (string | number)[]
  readonly value: unknown
  /** What it is, as `a Date`. */
  readonly what: string
  /**
   * It does not arrive at all, or arrives as null or an empty object. Otherwise it arrives as another type, like a Date as a
   * string.
   */
  readonly lost: boolean
}

/**
 * Whether a value certainly arrives unchanged. Fast, because it checks every sent value. Also false for an undefined property,
 * which does not arrive. `JSON.stringify` handles values with too deep nesting or cycles.
 */
export function survivesJson(value: unknown): boolean {
  try {
    return survives(value)
  } catch (error) {
    // A getter or a proxy that throws: the value does not arrive.
    return error instanceof RangeError
  }
}

function survives(value: unknown): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) {
    // By index: a hole is undefined.
    for (let index = 0; index < value.length; index++) if (!survives(value[index])) return false
    return true
  }
  if (!isPlain(value) || 'toJSON' in value) return false
  for (const key in value) if (!survives((value as Record<string, unknown>)[key])) return false
  return true
}

/** Everything in `value` that JSON changes, except undefined properties, which count as left out. */
export function jsonChanges(value: unknown): JsonChange[] {
  const changes: JsonChange[] = []
  collect(value, [], changes)
  return changes
}

function collect(value: unknown, path: readonly (string | number)[], changes: JsonChange[]): void {
  const what = changed(value)
  if (what !== undefined) changes.push({ path, value, ...what })
  if (typeof value !== 'object' || value === null || what?.lost === true || hasToJson(value)) return
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const at = [...path, index]
      if (value[index] === undefined) changes.push({ path: at, value: undefined, what: 'undefined', lost: true })
      else collect(value[index], at, changes)
    }
    return
  }
  for (const [key, each] of Object.entries(value)) if (each !== undefined) collect(each, [...path, key], changes)
}

/** The change of the value itself, ignoring its content; undefined if it arrives unchanged. */
function changed(value: unknown): { what: string; lost: boolean } | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : { what: String(value), lost: true }
    case 'object':
      return value === null || Array.isArray(value) ? undefined : changedObject(value)
    default:
      return { what: `a ${typeof value}`, lost: !hasToJson(value) }
  }
}

function changedObject(value: object): { what: string; lost: boolean } | undefined {
  const kind = Object.prototype.toString.call(value).slice(8, -1)
  if (kind === 'Date') {
    const valid = !Number.isNaN((value as Date).getTime())
    return { what: valid ? 'a Date' : 'an invalid Date', lost: !valid }
  }
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
  const what = `a value of class ${typeof name === 'string' && name !== '' ? name : kind}`
  if (hasToJson(value)) return { what, lost: false }
  if (isPlain(value)) return undefined
  // A Map, a Set, a RegExp, an Error, a Promise have nothing that JSON sees; bytes would become an object of numbers.
  const lost = ArrayBuffer.isView(value) || kind === 'Error' || (kind !== 'Object' && Object.keys(value).length === 0)
  return { what, lost: lost && !BOXES.has(kind) }
}

/** `new Number(1)` arrives as 1. */
const BOXES: ReadonlySet<string> = new Set(['Number', 'String', 'Boolean'])

const hasToJson = (value: unknown): boolean => typeof (value as { toJSON?: unknown }).toJSON === 'function'

/** An object literal, of any realm, or one without a prototype. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

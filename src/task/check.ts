/** Checks a value with a schema, both as it is and as it will be after JSON has carried it. */
import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Issue, textOf } from '../errors/index.js'
import { isThenable, memberOf } from '../kinds.js'
import { type JsonChange, jsonChanges, survivesJson } from '../wire/json.js'

/** A schema's answer: the parsed value, or the issues. */
export type Checked<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

/** Runs a Standard Schema; see https://standardschema.dev. Synchronous schemas cost no extra turn. */
export function check<T>(schema: StandardSchemaV1<unknown, T>, value: unknown): Checked<T> | Promise<Checked<T>> {
  const outcome = schema['~standard'].validate(value)
  return isThenable(outcome) ? Promise.resolve(outcome).then(toChecked) : toChecked(outcome)
}

/**
 * Checks a value with its schema as the receiver will: changes by JSON must not matter to the schema. A value that JSON leaves
 * unchanged costs one scan; others are checked twice.
 */
export function checkAsSent<T>(schema: StandardSchemaV1<unknown, T>, value: unknown): Checked<T> | Promise<Checked<T>> {
  const checking = check(schema, value)
  if (survivesJson(value)) return checking
  if (checking instanceof Promise) return checking.then((checked) => checkArrival(schema, value, checked))
  return checkArrival(schema, value, checking)
}

function checkArrival<T>(
  schema: StandardSchemaV1<unknown, T>,
  value: unknown,
  sent: Checked<T>,
): Checked<T> | Promise<Checked<T>> {
  // Only undefined has no JSON form at all; the caller handles that.
  if (sent.issues !== undefined || value === undefined) return sent
  let changes: readonly JsonChange[]
  let arriving: unknown
  try {
    changes = jsonChanges(value)
    const lost = changes.filter((change) => change.lost)
    if (lost.length > 0) return { issues: lost.map(lostIssue) }
    arriving = JSON.parse(JSON.stringify(value))
  } catch (error) {
    // A cycle, nesting beyond the stack, or a `toJSON` that throws.
    return { issues: [{ path: '', message: `expected a value that JSON can carry; ${textOf(error)}` }] }
  }
  const judge = (arrived: Checked<T>): Checked<T> => judged(changes, sent, arrived)
  const checking = check(schema, arriving)
  return checking instanceof Promise ? checking.then(judge) : judge(checking)
}

function toChecked<T>(outcome: StandardSchemaV1.Result<T>): Checked<T> {
  // Schemas are users' code, and may return anything.
  const issues = memberOf(outcome, 'issues')
  if (typeof outcome === 'object' && outcome !== null && (issues === undefined || issues === null)) {
    return { value: (outcome as StandardSchemaV1.SuccessResult<T>).value }
  }
  if (!Array.isArray(issues) || issues.length === 0) {
    return { issues: [{ path: '', message: 'expected the schema to return { value } or { issues }' }] }
  }
  return {
    issues: issues.map((issue: unknown) => {
      const [message, path] = [memberOf(issue, 'message'), memberOf(issue, 'path')]
      return {
        message: typeof message === 'string' ? message : 'an issue without a message',
        path: Array.isArray(path) ? pathOf(path) : '',
      }
    }),
  }
}

/** `arrived` is the schema's answer for the value that arrives. `sent` fits, so any issue comes from the change. */
function judged<T>(changes: readonly JsonChange[], sent: Checked<T>, arrived: Checked<T>): Checked<T> {
  if (sent.issues !== undefined) return sent
  if (arrived.issues !== undefined) {
    const whats = [...new Set(changes.map(({ what }) => what))].join(', ') || 'an undefined property'
    const note = `once JSON has carried ${whats}; accept a JSON type, and convert it in the schema`
    return { issues: arrived.issues.map(({ path, message }) => ({ path, message: `${message} (${note})` })) }
  }
  // A schema that accepts anything passes a Date unchanged, and would also pass the string that arrives instead.
  const untouched = changes.filter(
    ({ path, value }) => at(sent.value, path) === value && !isDeepStrictEqual(at(arrived.value, path), value),
  )
  if (untouched.length > 0) return { issues: untouched.map(differsIssue) }
  return sent
}

const lostIssue = ({ path, what }: JsonChange): Issue => ({
  path: pathOf(path),
  message: `expected a value that JSON can carry; got: ${what}`,
})

const differsIssue = ({ path, what }: JsonChange): Issue => ({
  path: pathOf(path),
  message: `expected a value that arrives unchanged; got: ${what}, which JSON changes and the schema does not change back`,
})

function at(value: unknown, path: readonly (string | number)[]): unknown {
  let inner = value
  for (const key of path) inner = (inner as Record<string | number, unknown> | null | undefined)?.[key]
  return inner
}

function pathOf(path: readonly (PropertyKey | StandardSchemaV1.PathSegment)[]): string {
  let text = ''
  for (const segment of path) {
    const key = typeof segment === 'object' ? memberOf(segment, 'key') : segment
    text += typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`
  }
  return text
}

/** What a schema says of a value: as it is, and as it will be once JSON has carried it. */
import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Issue, textOf } from '../errors/index.js'
import { isThenable, memberOf } from '../kinds.js'
import { type JsonChange, jsonChanges, survivesJson } from '../wire/json.js'

/** What a schema says of a value: the parsed value, or what is wrong with it. */
export type Checked<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

/** Runs a Standard Schema; see https://standardschema.dev. Synchronous schemas cost no extra turn. */
export function check<T>(schema: StandardSchemaV1<unknown, T>, value: unknown): Checked<T> | Promise<Checked<T>> {
  const outcome = schema['~standard'].validate(value)
  return isThenable(outcome) ? Promise.resolve(outcome).then(toChecked) : toChecked(outcome)
}

/**
 * Checks a value against its schema as the one who receives it will: what JSON changes on the way must not matter to the
 * schema. Costs one look at a value that JSON leaves alone, and a second check of others.
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
  // Undefined alone has no JSON at all: the caller knows what that means.
  if (sent.issues !== undefined || value === undefined) return sent
  let changes: readonly JsonChange[]
  let arriving: unknown
  try {
    changes = jsonChanges(value)
    const lost = changes.filter((change) => change.lost)
    if (lost.length > 0) return { issues: lost.map(lostIssue) }
    arriving = JSON.parse(JSON.stringify(value))
  } catch (error) {
    // A circle, a depth beyond the stack, a `toJSON` that throws.
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

/** `arrived` is what the schema says of what arrives. `sent` fits, so that all that is wrong now is of the change. */
function judged<T>(changes: readonly JsonChange[], sent: Checked<T>, arrived: Checked<T>): Checked<T> {
  if (sent.issues !== undefined) return sent
  if (arrived.issues !== undefined) {
    const whats = [...new Set(changes.map(({ what }) => what))].join(', ') || 'an undefined property'
    const note = `once JSON has carried ${whats}; take what JSON has, and turn it in the schema into what you need`
    return { issues: arrived.issues.map(({ path, message }) => ({ path, message: `${message} (${note})` })) }
  }
  // A schema that takes anything lets a Date pass untouched, and would let the text pass that arrives in its place.
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
  message: `expected a value that arrives as it is; got: ${what}, which JSON turns into something else that the schema does not turn back`,
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

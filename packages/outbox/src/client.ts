/**
 * Any database client. It only needs to run one statement with parameters; each parameter is a string, and each statement casts
 * it, so that the driver's conversion of arrays, JSON or big integers does not matter.
 */
import { OutboxError } from './errors.js'

/** Runs one statement. Resolves with its rows, or with an object that has them as `rows`. */
export type QueryFunction = (text: string, values: string[]) => PromiseLike<unknown>

/**
 * A `Pool`, `Client` or `PoolClient` of pg, or anything with such a `query`; a `Sql` or `TransactionSql` of postgres.js;
 * or a function, for every other client.
 */
export type Sql =
  | QueryFunction
  // The parameter types differ between clients; only these two calls are made.
  | { query(text: string, values: string[]): unknown }
  | { unsafe(text: string, values: string[]): unknown }

export type Row = Readonly<Record<string, unknown>>

/** Runs a statement and resolves with its rows. `client` may be asked for nothing else. */
export async function rowsOf(client: unknown, text: string, values: string[] = []): Promise<readonly Row[]> {
  const result = await runnerOf(client)(text, values)
  const rows = Array.isArray(result) ? result : (result as { rows?: unknown } | null | undefined)?.rows
  return Array.isArray(rows) ? rows : []
}

/** Throws an `OutboxError` for a value that cannot run a statement. */
export function checkClient(client: unknown): void {
  runnerOf(client)
}

function runnerOf(client: unknown): (text: string, values: string[]) => unknown {
  // The `sql` of postgres.js is a function, too: its tag for templates.
  const { unsafe, query } = Object(client) as { unsafe?: unknown; query?: unknown }
  if (typeof unsafe === 'function') return (text, values) => unsafe.call(client, text, values)
  if (typeof query === 'function') return (text, values) => query.call(client, text, values)
  if (typeof client === 'function') return client as QueryFunction
  throw new OutboxError(
    'NO_CLIENT',
    'Expected a database client: a pool or client of pg, a `sql` of postgres.js, or a function (text, values) that runs a statement and resolves with its rows',
  )
}

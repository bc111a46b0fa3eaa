/**
 * What the rivals on PostgreSQL share. Neither hands results to whoever added a job, so that both do what one does then: the
 * worker writes them to a table, whose key keeps an id from having two, and notifies.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Client } from 'pg'
import { repositoryRoot } from '../../cluster/index.js'
import { Finals } from './finals.js'

/** Where `install.ts` puts them. */
export const POSTGRES_FOLDER = join(repositoryRoot(), 'bench', 'rivals', 'postgres')

export const required = <Module>(name: string): Module =>
  createRequire(join(POSTGRES_FOLDER, 'package.json'))(name) as Module

const CHANNEL = 'bench_results'
/** Several clients and workers begin at the same time. */
const LOCK = 4711
const PREPARE = `
  SELECT pg_advisory_xact_lock(${LOCK});
  CREATE TABLE IF NOT EXISTS bench_results (id text PRIMARY KEY, result jsonb NOT NULL, done_at timestamptz NOT NULL DEFAULT now());`
const DELIVER = `
  WITH done AS (INSERT INTO bench_results (id, result) SELECT unnest($1::text[]), '{"ok":true}' RETURNING id)
  SELECT pg_notify('${CHANNEL}', string_agg(id, ' ')) FROM done`

export const deliver = (ids: readonly string[]): [text: string, values: readonly unknown[]] => [DELIVER, [ids]]

/** The client's side: what has been delivered. */
export async function listening(url: string): Promise<{ finals: Finals; close: () => Promise<void> }> {
  const client = new Client(url)
  await client.connect()
  await client.query(PREPARE)
  const finals = new Finals()
  client.on('notification', ({ payload = '' }) => {
    for (const id of payload.split(' ')) finals.ended(id)
  })
  await client.query(`LISTEN ${CHANNEL}`)
  return { finals, close: () => client.end() }
}

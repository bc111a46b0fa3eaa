/** The two tables, and every statement on them. Nothing else in this package holds SQL. */
import { is, OptionsError } from 'warren'

export interface Names {
  readonly table: string
  readonly schema: string | undefined
}

/** Quoted all the same; but a name that needs quotes is one that somebody will write without them. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,49}$/
export const isName: (value: unknown) => string | undefined = is.matching(
  NAME,
  'a name of up to 50 letters, digits and _',
)

export class Statements {
  readonly channel: string
  readonly #table: string
  readonly #failed: string
  readonly #index: string

  constructor({ table, schema }: Names) {
    const qualified = (name: string): string => (schema === undefined ? `"${name}"` : `"${schema}"."${name}"`)
    this.#table = qualified(table)
    this.#failed = qualified(`${table}_failed`)
    this.#index = `"${table}_ready"`
    // One for each table: NOTIFY is heard in the whole database.
    this.channel = schema === undefined ? table : `${schema}.${table}`
    if (Buffer.byteLength(this.channel) > 63) {
      throw new OptionsError('Outbox', [`expected \`schema\` and \`table\` to have 62 characters at most together`])
    }
  }

  /**
   * Creates what is missing, and changes nothing that is there. The lock lets several processes run it at once:
   * `if not exists` alone lets one of two fail. Vacuum comes early: rows live for moments.
   */
  get migration(): string {
    return `select pg_advisory_xact_lock(hashtext('${this.channel}'));
create table if not exists ${this.#table} (
  position bigint generated always as identity primary key,
  id text not null,
  task text not null,
  message text not null,
  created_at timestamptz not null default clock_timestamp(),
  ready_at timestamptz not null default clock_timestamp(),
  claimed_by text,
  attempts integer not null default 0,
  refusals integer not null default 0,
  problem text
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index if not exists ${this.#index} on ${this.#table} (ready_at);
create table if not exists ${this.#failed} (
  position bigint primary key,
  id text not null,
  task text not null,
  message text not null,
  created_at timestamptz not null,
  failed_at timestamptz not null default clock_timestamp(),
  attempts integer not null,
  code text not null,
  reason text not null
);
`
  }

  /** Fails when the tables, or a column that is used, are missing, or this user may not use them. */
  get check(): string {
    return `select (select count(*) from (select position, id, task, message, created_at, ready_at, claimed_by, attempts, refusals, problem
  from ${this.#table} limit 0) one) + (select count(*) from (select position, code, reason from ${this.#failed} limit 0) other)`
  }

  /**
   * $1  a JSON list of [id, task, message]
   * $2  the channel to notify, or ''
   */
  get insert(): string {
    return `with added as (
  insert into ${this.#table} (id, task, message)
  select m ->> 0, m ->> 1, m ->> 2
  from json_array_elements($1::text::json) with ordinality as given (m, place) order by place
  returning 1
) select case when $2::text <> '' then pg_notify($2::text, '') end from (select count(*) from added) as counted`
  }

  /**
   * $1  whose claim it is
   * $2  how long it holds, in milliseconds
   * $3  how many rows at most
   * A claim is a time: nobody takes the row before \`ready_at\`, and when its owner dies, it is free again by itself. The
   * lock lasts for this statement only. The CTE is needed: a planner may run a subquery with a limit more than once.
   */
  get claim(): string {
    return `with free as materialized (
  select position from ${this.#table} where ready_at <= statement_timestamp()
  order by ready_at limit $3::text::integer for update skip locked
) update ${this.#table} as m set claimed_by = $1::text,
  ready_at = clock_timestamp() + $2::text::double precision * interval '1 millisecond'
from free where m.position = free.position
returning m.position::text as position, m.id, m.task, m.message, m.attempts, m.refusals`
  }

  /** $1  the positions that are confirmed, as {1,2,3}: whoever has claimed them meanwhile, they are in the broker. */
  get remove(): string {
    return `delete from ${this.#table} where position = any($1::text::bigint[])`
  }

  /**
   * $1  whose claim it is
   * $2  a JSON list of [position, delay in milliseconds, refusals, problem]
   */
  get postpone(): string {
    return `update ${this.#table} as m set claimed_by = null, attempts = m.attempts + 1,
  refusals = (given.each ->> 2)::integer, problem = given.each ->> 3,
  ready_at = clock_timestamp() + (given.each ->> 1)::double precision * interval '1 millisecond'
from json_array_elements($2::text::json) as given (each)
where m.position = (given.each ->> 0)::bigint and m.claimed_by = $1::text`
  }

  /**
   * $1  whose claim it is
   * $2  a JSON list of [position, code, reason]
   */
  get setAside(): string {
    return `with given as (
  select (each ->> 0)::bigint as position, each ->> 1 as code, each ->> 2 as reason
  from json_array_elements($2::text::json) as listed (each)
), gone as (
  delete from ${this.#table} as m using given where m.position = given.position and m.claimed_by = $1::text
  returning m.position, m.id, m.task, m.message, m.created_at, m.attempts + 1 as attempts, given.code, given.reason
) insert into ${this.#failed} (position, id, task, message, created_at, attempts, code, reason)
select position, id, task, message, created_at, attempts, code, reason from gone`
  }

  get counts(): string {
    return `select (select count(*) from ${this.#table})::text as waiting, (select count(*) from ${this.#failed})::text as failed,
  (select extract(epoch from clock_timestamp() - min(created_at)) * 1000 from ${this.#table})::text as oldest_ms`
  }

  /** $1  how many at most */
  get listFailed(): string {
    return `select position::text as position, id, task, created_at, failed_at, attempts, code, reason
from ${this.#failed} order by position limit $1::text::integer`
  }

  /** $1  a JSON list of ids, or '' for all. Each comes back under its id, with all its attempts. */
  get retryFailed(): string {
    return `with gone as (
  delete from ${this.#failed} where $1::text = '' or id in (select json_array_elements_text(nullif($1::text, '')::json))
  returning position, id, task, message, created_at
), back as (
  insert into ${this.#table} (id, task, message, created_at)
  select id, task, message, created_at from gone order by position returning 1
) select count(*)::text as count from back`
  }
}

/**
 * The promise: a task is sent if, and only if, the transaction that wrote it commits; whatever dies, and whatever cannot be
 * sent, is seen. On a real PostgreSQL and the real broker.
 */
import { EventEmitter } from 'node:events'
import { Outbox, type RelayOptions, type SetAside, type Sql } from '@warren/outbox'
import { Client, Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { connect, defineTask, headers, type Logger, type PreparedMessage, UnconfirmedError, type Warren } from 'warren'
import { z } from 'zod'
import { type ClusterUrls, consuming, until, virtualHost, waiting } from '../../../test/support/cluster.js'
import { type OwnPostgres, ownPostgres } from '../../../test/support/postgres.js'

const SERVICE = 'outbox'
const task = defineTask({ name: 'shop.outbox.task', input: z.object({ n: z.number(), text: z.string().optional() }) })
const lonely = defineTask({ name: 'shop.outbox.lonely', input: z.object({ n: z.number() }) })
const QUEUE = `${task.name}.${SERVICE}`

let urls: ClusterUrls & { readonly vhost: string }
let database: OwnPostgres
let pool: Pool
let warren: Warren
/** What ran, by number. */
const ran: number[] = []
let tables = 0

beforeAll(async () => {
  ;[urls, database] = await Promise.all([virtualHost(SERVICE, [task]), ownPostgres()])
  pool = new Pool({ connectionString: database.url, max: 10 })
  pool.on('error', () => undefined)
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const worker = warren.worker({ service: SERVICE, concurrency: 10 })
  worker.handle(task, ({ n }) => void ran.push(n))
  await consuming(worker)
})
afterAll(async () => {
  await warren?.close()
  await pool?.end()
  await database?.close()
})

/** An outbox with tables of its own. */
async function newOutbox(options: { notify?: boolean; maxMessageBytes?: number } = {}): Promise<Outbox> {
  const outbox = new Outbox({ table: `outbox_${++tables}`, ...options })
  await outbox.migrate(pool)
  return outbox
}

/** A relay that is closed after the test. */
async function relaying(outbox: Outbox, options: Partial<RelayOptions> = {}) {
  const relay = outbox.relay({ db: pool, warren, pollMs: 20, logger: false, retryDelayMs: 20, ...options })
  onTestFinished(() => relay.close())
  await relay.start()
  return relay
}

/** Numbers that no other test uses. */
let last = 0
const numbers = (count: number): number[] => Array.from({ length: count }, () => ++last)
const allRan = (all: readonly number[]) => until('every task ran', () => all.every((n) => ran.includes(n)))
const empty = (outbox: Outbox) => until('the outbox is empty', async () => (await outbox.counts(pool)).waiting === 0)

async function inTransaction<T>(work: (client: Client) => Promise<T>, end: 'commit' | 'rollback' = 'commit') {
  const client = new Client(database.url)
  await client.connect()
  try {
    await client.query('begin')
    const done = await work(client)
    await client.query(end)
    return done
  } finally {
    await client.end()
  }
}

describe('A task is sent', () => {
  it('when its transaction commits, and not before', async () => {
    const outbox = await newOutbox()
    const relay = await relaying(outbox)
    const [n = 0] = numbers(1)
    const { id } = await inTransaction(async (client) => {
      const sent = await outbox.send(client, task, { n, text: 'Zoë \u0000 \ud800' })
      expect(await outbox.counts(client)).toMatchObject({ waiting: 1, oldestMs: expect.any(Number) })
      expect(await outbox.counts(pool)).toEqual({ waiting: 0, failed: 0, oldestMs: undefined })
      expect(ran).not.toContain(n)
      return sent
    })
    await warren.handle(task, id).result({ timeoutMs: 20_000 })
    expect(ran.filter((each) => each === n)).toHaveLength(1)
    await empty(outbox)
    expect(relay.stats()).toEqual({ published: 1, postponed: 0, setAside: 0, inFlight: 0, problem: undefined })
  })

  it('never when it is rolled back', async () => {
    const outbox = await newOutbox()
    const [gone = 0, kept = 0] = numbers(2)
    await inTransaction((client) => outbox.send(client, task, { n: gone }), 'rollback')
    await inTransaction((client) => outbox.send(client, task, { n: kept }))
    await relaying(outbox)
    await allRan([kept])
    await empty(outbox)
    expect(ran).not.toContain(gone)
  })

  it('by many, in batches, once each with five relays', async () => {
    const outbox = await newOutbox()
    const all = numbers(600)
    const ids = await inTransaction((client) =>
      outbox.sendMany(
        client,
        task,
        all.map((n) => ({ n })),
        ({ n }) => ({ id: `many-${n}` }),
      ),
    )
    expect(ids.map(({ id }) => id)).toEqual(all.map((n) => `many-${n}`))
    const relays = await Promise.all(all.slice(0, 5).map(() => relaying(outbox, { batchSize: 50 })))
    await allRan(all)
    await empty(outbox)
    await until('each relay has written it down', () => relays.every((relay) => relay.stats().inFlight === 0))
    expect(relays.reduce((sum, relay) => sum + relay.stats().published, 0)).toBe(all.length)
    expect(all.map((n) => ran.filter((each) => each === n).length).filter((times) => times !== 1)).toEqual([])
  })
})

describe('Any client will do:', () => {
  it('a transaction of postgres.js, which also listens', async () => {
    const sql = postgres(database.url, { max: 2, onnotice: () => undefined })
    onTestFinished(() => sql.end())
    const outbox = new Outbox({ table: `outbox_${++tables}`, notify: true })
    await outbox.migrate(sql)
    await outbox.migrate(sql)
    await relaying(outbox, { db: sql, listen: sql, pollMs: 60_000 })
    const all = numbers(3)
    await sql.begin(async (transaction) => {
      for (const n of all) await outbox.send(transaction, task, { n })
    })
    await allRan(all)
    await empty(outbox)
  })

  it('a function, and a client of pg that listens', async () => {
    const outbox = await newOutbox({ notify: true })
    const client = new Client(database.url)
    await client.connect()
    onTestFinished(() => client.end())
    const query: Sql = (text, values) => pool.query(text, values)
    const relay = await relaying(outbox, { db: query, listen: client, pollMs: 60_000 })
    const all = numbers(3)
    for (const n of all) await outbox.send(query, task, { n })
    await allRan(all)
    await empty(outbox)
    await relay.close()
    expect(client.listenerCount('notification')).toBe(0)
  })

  it('what is none is refused, and so are wrong options and inputs, before anything is written', async () => {
    const outbox = await newOutbox({ maxMessageBytes: 200 })
    const wrong = [{}, undefined, 'postgres://…'] as never[]
    for (const each of wrong) {
      await expect(outbox.send(each, task, { n: 1 })).rejects.toMatchObject({ code: 'NO_CLIENT' })
      expect(() => outbox.relay({ db: each, warren })).toThrow(/a pool or client of pg|expected `db`/)
    }
    expect(() => outbox.relay({ db: pool, warren: {} as never })).toThrow(/expected `warren`.*what connect\(\)/)
    expect(() => outbox.relay({ db: pool, warren, claimMs: 12_000 })).toThrow(/`claimMs`.*≥ 15000/)
    expect(() => new Outbox({ table: 'a"b' })).toThrow(/expected `table`/)
    // @ts-expect-error the types refuse it too
    await expect(outbox.send(pool, task, { n: 'one' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const large = { n: 1, text: 'x'.repeat(200) }
    await expect(outbox.send(pool, task, large)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    await expect(outbox.send(pool, task, { n: 1 }, { id: 'a\0b' })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    expect(await outbox.counts(pool)).toMatchObject({ waiting: 0 })
  })

  it('a relay without tables says what to do, and a closed one stays closed', async () => {
    const relay = new Outbox({ table: 'nowhere' }).relay({ db: pool, warren })
    await expect(relay.start()).rejects.toThrow(/cannot be used: .*"nowhere" does not exist.*outbox\.migrate\(db\)/)
    await expect(relay.start()).rejects.toMatchObject({ code: 'RELAY_CLOSED' })
    await relay.close()
    await relay.close()
  })

  it('several processes create the tables at once', async () => {
    const outbox = new Outbox({ table: `outbox_${++tables}` })
    await Promise.all(Array.from({ length: 8 }, () => outbox.migrate(pool)))
    expect(await outbox.counts(pool)).toEqual({ waiting: 0, failed: 0, oldestMs: undefined })
  })
})

describe('What cannot be published', () => {
  it('is set aside with its reason, told, and sent when somebody has fixed it; others go on', async () => {
    const outbox = await newOutbox()
    const aside: SetAside[] = []
    const [n = 0] = numbers(1)
    const { id } = await outbox.send(pool, lonely, { n: 1 })
    const { id: large } = await outbox.send(pool, task, { n: 1, text: 'x'.repeat(5_000) })
    await outbox.send(pool, task, { n })
    await pool.query(`insert into outbox_${tables} (id, task, message) values ('broken', 'shop.none', 'no JSON')`)
    const small = await connect({ broker: urls.broker, results: urls.results, logger: false, maxMessageBytes: 2_000 })
    onTestFinished(() => small.close())
    const relay = await relaying(outbox, {
      ...{ warren: small, maxAttempts: 3 },
      onSetAside: (row) => {
        aside.push(row)
        throw new Error('a listener that fails')
      },
    })
    await allRan([n])
    await until('three are set aside', async () => (await outbox.counts(pool)).failed === 3)
    const failed = await outbox.failed(pool)
    expect(failed).toMatchObject([
      { id, task: lonely.name, code: 'UNROUTABLE', attempts: 3, reason: expect.stringContaining('No queue takes') },
      { id: large, code: 'PAYLOAD_TOO_LARGE', attempts: 1, reason: expect.stringContaining('maxMessageBytes (2000)') },
      { id: 'broken', code: 'NOT_JSON', attempts: 1 },
    ])
    expect(failed[0]?.failedAt.getTime()).toBeGreaterThan(failed[0]?.createdAt.getTime() ?? 0)
    expect(aside.map((row) => row.id).sort()).toEqual([id, large, 'broken'].sort())
    expect(relay.stats()).toMatchObject({ published: 1, setAside: 3, postponed: 2, inFlight: 0 })
    expect(await outbox.failed(pool, { limit: 1 })).toHaveLength(1)

    const worker = warren.worker({ service: SERVICE })
    worker.handle(lonely, () => 'done')
    await consuming(worker)
    expect(await outbox.retryFailed(pool, { ids: [id, 'of nobody'] })).toBe(1)
    expect(await warren.handle(lonely, id).result({ timeoutMs: 20_000 })).toBe('done')
    expect(await outbox.counts(pool)).toMatchObject({ failed: 2 })
    await worker.stop()
  })

  it('for the moment, is tried until it is confirmed, fewer at a time; nothing is set aside for that', async () => {
    const outbox = await newOutbox()
    const all = numbers(60)
    const away = new UnconfirmedError('any', 10, false, 'no connection to the broker')
    let brokerAway = true
    let tried = 0
    const fake = {
      publishPrepared: (message: PreparedMessage) => {
        tried++
        return brokerAway ? Promise.reject(away) : warren.publishPrepared(message)
      },
    }
    await outbox.sendMany(
      pool,
      task,
      all.map((n) => ({ n })),
    )
    const logger = { ...console, warn: vi.fn(), error: vi.fn() } as unknown as Logger
    const relay = await relaying(outbox, { warren: fake, maxAttempts: 1, batchSize: 20, logger })
    await until('some were tried', () => tried > 30)
    expect(relay.stats().problem).toMatch(/no connection to the broker/)
    expect(relay.stats()).toMatchObject({ published: 0, setAside: 0 })
    expect(logger.warn).toHaveBeenCalledTimes(1)
    brokerAway = false
    await allRan(all)
    await empty(outbox)
    await until('the problem is over', () => relay.stats().problem === undefined)
    expect(logger.error).not.toHaveBeenCalled()
  })
})

describe('Whatever dies', () => {
  it('between publish and delete: another relay publishes it again, and it is not run again', async () => {
    const outbox = await newOutbox()
    const [n = 0, later = 0] = numbers(2)
    const { id } = await outbox.send(pool, task, { n })
    const published = new EventEmitter()
    const dying = {
      publishPrepared: async (message: PreparedMessage) => {
        await warren.publishPrepared(message)
        published.emit('done')
        // The confirm never comes: the process is gone.
        await new Promise(() => undefined)
      },
    }
    const claimed = new Promise((resolve) => published.once('done', resolve))
    const first = await relaying(outbox, {
      ...{ warren: dying, confirmTimeoutMs: 1, claimMs: 5_001, gracePeriodMs: 0 },
    })
    await claimed
    await warren.handle(task, id).result({ timeoutMs: 20_000 })
    await first.close()
    expect(await outbox.counts(pool)).toMatchObject({ waiting: 1 })
    // Its claim holds; when it ends, the row is free.
    await pool.query(`update outbox_${tables} set ready_at = clock_timestamp()`)
    const second = await relaying(outbox)
    await empty(outbox)
    expect(second.stats().published).toBe(1)
    await outbox.send(pool, task, { n: later })
    await allRan([later])
    await until('nothing waits', async () => (await waiting(urls.broker, QUEUE)) === 0)
    expect(ran.filter((each) => each === n)).toHaveLength(1)
  })

  it('the database: what was confirmed meanwhile is deleted when it is back, and nothing is lost', async () => {
    const outbox = await newOutbox()
    const all = numbers(40)
    await outbox.sendMany(
      pool,
      task,
      all.map((n) => ({ n })),
    )
    let held = true
    let asked = 0
    const slow = {
      publishPrepared: async (message: PreparedMessage) => {
        asked++
        await until('the database is away', () => !held)
        await warren.publishPrepared(message)
      },
    }
    const relay = await relaying(outbox, { warren: slow, batchSize: 10 })
    await until('some are in flight', () => asked === 20)
    await database.process.kill()
    held = false
    await until('the relay has noticed', () => relay.stats().problem !== undefined)
    await database.process.start()
    await allRan(all)
    await empty(outbox)
    expect(relay.stats()).toMatchObject({ published: 40, setAside: 0 })
    await until('the problem is over', () => relay.stats().problem === undefined)
    expect(all.map((n) => ran.filter((each) => each === n).length).filter((times) => times !== 1)).toEqual([])
  })

  it('and close() waits for what is in flight, and claims nothing more', async () => {
    const outbox = await newOutbox()
    const all = numbers(30)
    await outbox.sendMany(
      pool,
      task,
      all.map((n) => ({ n })),
    )
    const waits: (() => void)[] = []
    const slow = {
      publishPrepared: async (message: PreparedMessage) => {
        await new Promise<void>((resolve) => waits.push(resolve))
        await warren.publishPrepared(message)
      },
    }
    const relay = await relaying(outbox, { warren: slow, batchSize: 5 })
    await until('some are in flight', () => waits.length === 10)
    const closing = relay.close()
    for (const go of waits) go()
    await closing
    expect(relay.stats()).toMatchObject({ published: 10, inFlight: 0 })
    expect(await outbox.counts(pool)).toMatchObject({ waiting: 20 })
    await relaying(outbox)
    await allRan(all)
    await empty(outbox)
  })
})

it('A row that an earlier version wrote is published as it was meant', async () => {
  const outbox = await newOutbox()
  const [n = 0] = numbers(1)
  const message = {
    ...{ version: 1, task: task.name, id: `old-${n}`, run: Date.now() - 1_000, chosen: true },
    body: `[[],{"n":${n}},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]`,
    headers: { lang: 'js', task: task.name, id: `old-${n}`, [headers.run]: Date.now() - 1_000 },
  }
  await pool.query(`insert into outbox_${tables} (id, task, message) values ($1, $2, $3)`, [
    ...[`old-${n}`, task.name, JSON.stringify(message)],
  ])
  await relaying(outbox)
  await warren.handle(task, `old-${n}`).result({ timeoutMs: 20_000 })
  expect(ran).toContain(n)
})

it('example/order.ts places an order, refuses its double, and sends one invoice', async () => {
  const said: string[] = []
  vi.stubEnv('DATABASE_URL', database.url)
  vi.stubEnv('WARREN_BROKER', urls.broker)
  vi.stubEnv('WARREN_RESULTS', urls.results)
  const log = vi.spyOn(console, 'log').mockImplementation((line: unknown) => void said.push(String(line)))
  onTestFinished(() => {
    log.mockRestore()
    vi.unstubAllEnvs()
  })
  await import('../example/order.js')
  expect(said.sort().reverse()).toEqual([expect.stringMatching(/^refused: duplicate key/), 'invoice for order-1'])
})

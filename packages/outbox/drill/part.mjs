// One process of the drill: `writer`, `relay` or `worker`, with its number; see main.mjs.
import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Outbox } from '@warren/outbox'
import pg from 'pg'
import { connect, defineTask } from 'warren'

const [role, number, share, dies] = process.argv.slice(2)
const { DATABASE_URL, WARREN_BROKER, WARREN_RESULTS, LEDGER } = process.env
const anything = { '~standard': { version: 1, vendor: 'drill', validate: (value) => ({ value }) } }
const task = defineTask({ name: 'shop.order.drill', input: anything })
const outbox = new Outbox()
const die = () => process.kill(process.pid, 'SIGKILL')
const open = () => connect({ broker: WARREN_BROKER, results: WARREN_RESULTS, logger: false, connectTimeoutMs: 300_000 })
/** From now on it does something, and may be killed for it. */
const ready = () => process.send?.('ready')
const stopped = new Promise((resolve) => process.once('SIGTERM', resolve))

await { writer, relay, worker }[role]()
process.exit(0)

/** Goes on where the writer before it was killed: what it committed is in the table. */
async function writer() {
  const first = Number(number) * 10_000_000
  for (;;) {
    const client = new pg.Client(DATABASE_URL)
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rows } = await client.query(
        'select count(*)::int as count, coalesce(max(n), $1)::text as last from orders where n >= $1 and n < $1 + 10000000',
        [first],
      )
      let { count } = rows[0]
      // Not the numbers that the one before it may have rolled back.
      let next = Number(rows[0].last) + 5_000
      while (count < Number(share)) {
        const numbers = Array.from({ length: 1 + Math.floor(Math.random() * 100) }, () => ++next)
        const commit = Math.random() > 0.15
        await client.query('begin')
        await client.query('insert into orders select * from unnest($1::bigint[])', [numbers])
        await outbox.sendMany(client, task, numbers)
        await client.query(commit ? 'commit' : 'rollback')
        if (commit) count += numbers.length
        ready()
        await pause(5)
      }
      return
    } catch {
      await client.end().catch(() => undefined)
      await pause(300)
    }
  }
}

async function relay() {
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 4 })
  pool.on('error', () => undefined)
  const warren = await open()
  let left = 1 + Math.floor(Math.random() * 2_000)
  const db = async (text, values) => {
    const result = await pool.query(text, values)
    if (dies === 'after-claim' && text.includes('skip locked')) {
      left -= result.rows.length
      if (left <= 0 && result.rows.length > 0) die()
    }
    return result
  }
  const publishing = {
    publishPrepared: async (message, options) => {
      await warren.publishPrepared(message, options)
      if (dies === 'after-confirm' && --left <= 0) die()
    },
  }
  const relaying = outbox.relay({
    ...{ db, warren: publishing, logger: false, pollMs: 100 },
    // Short, so that frozen relays lose their claims: the drill is about that.
    ...{ confirmTimeoutMs: 2_000, claimMs: 7_000 },
  })
  try {
    await relaying.start()
  } catch {
    // The database is away: started again.
    process.exit(1)
  }
  ready()
  await stopped
  await relaying.close()
  await warren.close()
  await pool.end()
}

async function worker() {
  const warren = await open()
  const working = warren.worker({ service: 'drill', concurrency: 50, declareDeadLetters: true })
  working.handle(task, (n) => {
    appendFileSync(LEDGER, `${n}\n`)
    return null
  })
  await working.start()
  await stopped
  await warren.close()
}

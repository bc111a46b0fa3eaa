/** An order and its invoice: both, or neither. */
import { Outbox } from '@warren/outbox'
import { Pool } from 'pg'
import { connect, defineTask } from 'warren'
import { z } from 'zod'

const sendInvoice = defineTask({
  name: 'shop.invoice.send',
  input: z.object({ order: z.string(), amountCents: z.number().int().positive() }),
})

const pool = new Pool({ connectionString: process.env.DATABASE_URL ?? 'postgres://localhost/shop' })
const outbox = new Outbox()
await outbox.migrate(pool) // or put the SQL of outbox.migration() among your migrations
await pool.query('create table if not exists orders (id text primary key, cents integer not null)')

// A request: it needs no broker, and works while the broker is away.
async function placeOrder(order: string, amountCents: number): Promise<string> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const { id } = await outbox.send(client, sendInvoice, { order, amountCents })
    await client.query('insert into orders (id, cents) values ($1, $2)', [order, amountCents])
    await client.query('commit') // from here on the invoice will be sent
    return id
  } catch (error) {
    await client.query('rollback') // from here on it never will
    throw error
  } finally {
    client.release()
  }
}

// The relay: in each process, or in one of its own.
const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
})
const relay = outbox.relay({ db: pool, warren })
await relay.start()

const worker = warren.worker({ service: 'billing' })
worker.handle(sendInvoice, ({ order }) => console.log(`invoice for ${order}`))
await worker.start()

const id = await placeOrder('order-1', 1200)
await placeOrder('order-1', 1200).catch((error: Error) => console.log(`refused: ${error.message}`))
await warren.handle(sendInvoice, id).result({ timeoutMs: 10_000 })

await relay.close() // before Warren: what is in flight is confirmed and deleted
await warren.close()
await pool.end()

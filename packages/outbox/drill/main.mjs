// What happens to an outbox when everything dies under load, with a verdict. In a clone:
//
//   npm run build && node packages/build.mjs outbox && node packages/outbox/drill/main.mjs [--rows 100000] [--away 60]
//
// Writers commit orders, each with its task, and roll some back. Five relays publish, two workers run. Meanwhile writers and
// relays are killed (SIGKILL) and frozen all the time, some relays kill themselves right after a claim and others right
// after a confirm, PostgreSQL is killed once, and all three RabbitMQ nodes are away for a minute.
//
// The ledger: an order is a row that the same transaction writes, so that what is committed is known whatever was killed;
// what ran is a line in a file, written by the handler. Lost: an order that never ran. Wrong: a run without an order.
// Exits 0 when nothing was lost, wrong or set aside; else 1.
import { execFileSync, fork, spawn } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Outbox } from '@warren/outbox'
import pg from 'pg'
import { actOnProcess, Cluster, freePortBlock } from '../../../dist/cluster/index.js'

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '100000' }, away: { type: 'string', default: '60' } },
})
const ROWS = Number(values.rows)
const AWAY_S = Number(values.away)
const RELAYS = 5
const WRITERS = 3
const WORKERS = 2
const KILL_EVERY_MS = 700

const startedAt = performance.now()
const say = (text) => console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}`)
const folder = mkdtempSync(join(tmpdir(), 'warren-outbox-drill-'))
const ledger = join(folder, 'ran')
writeFileSync(ledger, '')

// ---- PostgreSQL, on a port of its own; it refuses to run as root

const home = join(folder, 'postgres')
execFileSync('chmod', ['711', folder])
mkdirSync(home, { mode: 0o700 })
const asRoot = process.getuid() === 0
const idOf = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
if (asRoot) chownSync(home, idOf('-u'), idOf('-g'))
const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
const program = (name) => join('/usr/lib/postgresql', versions[0], 'bin', name)
const command = (name, args) =>
  asRoot
    ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--', program(name), ...args]]
    : [program(name), args]
const data = join(home, 'data')
execFileSync(...command('initdb', ['-D', data, '-U', 'test', '--auth=trust', '--no-sync', '--locale=C.UTF-8']), {
  cwd: home,
  stdio: 'ignore',
})
const pgPort = await freePort()
const DATABASE = `postgres://test@127.0.0.1:${pgPort}/postgres`
let database

async function startDatabase() {
  const args = ['-D', data, '-p', String(pgPort), '-h', '127.0.0.1', '-k', home, '-c', 'max_connections=100']
  for (;;) {
    database = spawn(...command('postgres', args), { cwd: home, stdio: 'ignore', detached: true })
    for (let tries = 0; tries < 300 && database.exitCode === null; tries++) {
      if (await answers()) return
      await pause(100)
    }
    // Its former children have not ended yet.
    await pause(200)
  }
}

async function answers() {
  const client = new pg.Client(DATABASE)
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

// ---- the cast

const { base, amqp, edge } = await freePortBlock()
const cluster = new Cluster({
  ...{ dir: '.warren-outbox-drill', workers: 0, portBase: base, amqpPort: amqp, edgePort: edge, prometheus: false },
  env: process.env,
})
const env = () => ({
  ...process.env,
  DATABASE_URL: DATABASE,
  WARREN_BROKER: cluster.brokerUrl('admin'),
  WARREN_RESULTS: cluster.addresses.results,
  LEDGER: ledger,
})
const part = fileURLToPath(new URL('./part.mjs', import.meta.url))
const counts = { killed: 0, frozen: 0, afterClaim: 0, afterConfirm: 0 }
let over = false

/** One process that is started again whenever it dies, as a supervisor would. */
class Role {
  constructor(name, number) {
    this.name = name
    this.number = number
    this.starts = 0
    this.done = false
    this.ended = Promise.resolve()
    this.run()
  }

  run() {
    this.starts++
    const share = Math.ceil(ROWS / WRITERS)
    // Every other life of a relay ends by its own hand, at the two worst moments in turn.
    const dies =
      this.name !== 'relay' || over ? '' : ['', 'after-claim', '', 'after-confirm'][(this.starts + this.number) % 4]
    const child = fork(part, [this.name, String(this.number), String(share), dies], { env: env(), stdio: 'inherit' })
    this.child = child
    this.dies = dies !== ''
    this.ready = false
    child.once('message', () => {
      this.ready = true
    })
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        if (signal === 'SIGKILL' && dies === 'after-claim' && !this.killed) counts.afterClaim++
        if (signal === 'SIGKILL' && dies === 'after-confirm' && !this.killed) counts.afterConfirm++
        this.killed = false
        if (code === 0) this.done = true
        resolve()
        if (!this.done && !this.stopped) setTimeout(() => !this.stopped && this.run(), 200)
      })
    })
  }

  kill() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.killed = true
    counts.killed++
    this.child.kill('SIGKILL')
  }

  async freeze(ms) {
    const { child } = this
    counts.frozen++
    child.kill('SIGSTOP')
    await pause(ms)
    child.kill('SIGCONT')
  }

  async stop() {
    this.stopped = true
    this.child.kill('SIGCONT')
    this.child.kill('SIGTERM')
    const late = setTimeout(() => this.child.kill('SIGKILL'), 30_000)
    await this.ended
    clearTimeout(late)
  }
}

const roles = []
let failed = 0
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void end().then(() => process.exit(130)))
try {
  await Promise.all([cluster.start(), startDatabase()])
  const pool = new pg.Pool({ connectionString: DATABASE, max: 4 })
  pool.on('error', () => undefined)
  const outbox = new Outbox()
  await outbox.migrate(pool)
  await pool.query('create table orders (n bigint primary key)')
  say(`cluster and PostgreSQL are ready: ${ROWS} orders, ${WRITERS} writers, ${RELAYS} relays, ${WORKERS} workers`)

  for (let number = 0; number < WORKERS; number++) roles.push(new Role('worker', number))
  await pause(3_000)
  const relays = Array.from({ length: RELAYS }, (_, number) => new Role('relay', number))
  const writers = Array.from({ length: WRITERS }, (_, number) => new Role('writer', number))
  roles.push(...relays, ...writers)

  const chaos = (async () => {
    while (!over) {
      await pause(KILL_EVERY_MS * (0.5 + Math.random()))
      // A relay that will kill itself is spared: on a slow machine it would hardly ever reach that moment.
      const victims = [...relays, ...writers].filter((each) => each.ready && !each.done && !each.dies)
      const victim = victims[Math.floor(Math.random() * victims.length)]
      if (victim === undefined) continue
      // Longer than a claim holds: another relay publishes the same rows meanwhile.
      if (Math.random() < 0.1) void victim.freeze(8_000)
      else victim.kill()
    }
  })()

  const count = async () => {
    try {
      const [{ rows }, { waiting, failed: aside }] = await Promise.all([
        pool.query('select count(*)::int as n from orders'),
        outbox.counts(pool),
      ])
      return { orders: rows[0].n, waiting, aside }
    } catch {
      return undefined
    }
  }
  const ran = () => readFileSync(ledger, 'utf8').split('\n').filter(Boolean)
  const report = async () => {
    const now = await count()
    if (now !== undefined) say(`${now.orders} committed, ${now.waiting} wait, ${ran().length} runs`)
  }
  const reporting = setInterval(report, 10_000)

  const reached = async (share) => {
    while (((await count())?.orders ?? 0) < ROWS * share) await pause(200)
  }
  await reached(0.2)
  say('PostgreSQL is killed')
  process.kill(-database.pid, 'SIGKILL')
  await pause(3_000)
  await startDatabase()
  say('PostgreSQL is back')
  await reached(0.4)
  const nodes = ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3']
  say(`all RabbitMQ nodes are killed, for ${AWAY_S} s`)
  await Promise.all(nodes.map((node) => actOnProcess(cluster.dir, node, 'kill')))
  await pause(AWAY_S * 1_000)
  const before = await count()
  await Promise.all(nodes.map((node) => actOnProcess(cluster.dir, node, 'start')))
  say(`RabbitMQ is back; ${before?.waiting} wait`)
  await Promise.all(writers.map((writer) => untilDone(writer)))
  say('the writers are done')
  await pause(5_000)
  over = true
  await chaos
  say(`no more faults: ${JSON.stringify(counts)}`)
  // Relays that would still kill themselves are replaced by ones that do not.
  for (const relay of relays) relay.kill()

  const deadline = performance.now() + 300_000
  for (let still = 0; still < 3; ) {
    const now = await count()
    const orders = new Set((await pool.query('select n from orders')).rows.map(({ n }) => String(n)))
    const all = new Set(ran())
    still = now?.waiting === 0 && [...orders].every((n) => all.has(n)) ? still + 1 : 0
    if (performance.now() > deadline) break
    await pause(1_000)
  }
  clearInterval(reporting)

  const orders = new Set((await pool.query('select n from orders')).rows.map(({ n }) => String(n)))
  const runs = ran()
  const distinct = new Set(runs)
  const lost = [...orders].filter((n) => !distinct.has(n))
  const wrong = [...distinct].filter((n) => !orders.has(n))
  const end = await count()
  say(`${orders.size} committed, ${runs.length} runs of ${distinct.size} tasks`)
  say(`lost ${lost.length}, sent though rolled back ${wrong.length}, set aside ${end.aside}, left ${end.waiting}`)
  say(`run more than once ${runs.length - distinct.size} (a handler whose result was not stored is run again)`)
  failed = lost.length + wrong.length + end.aside + end.waiting
  say(
    failed === 0 && orders.size >= ROWS
      ? 'VERDICT: nothing lost, nothing sent that was rolled back'
      : 'VERDICT: FAILED',
  )
  if (orders.size < ROWS) failed++
  await pool.end()
} finally {
  await end()
}
process.exit(failed === 0 ? 0 : 1)

async function end() {
  over = true
  await Promise.all(roles.map((role) => role.stop()))
  await cluster.stop()
  try {
    process.kill(-database.pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
  await pause(1_000)
  rmSync(folder, { recursive: true, force: true })
}

async function untilDone(role) {
  while (!role.done) await pause(200)
}

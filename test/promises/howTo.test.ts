/** The promise: the programs of the tutorial and of the how-to guides do what is said of them, on a real broker. */
import { beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { connect, defineTask } from '../../src/index.js'
import { type ClusterUrls, until, virtualHost, waiting } from '../support/cluster.js'

const said: string[] = []
const logged: Record<string, unknown>[] = []
let urls: ClusterUrls

vi.mock('pino', async (original) => {
  const { default: pino } = (await original()) as typeof import('pino')
  return { default: (options: object) => pino(options, { write: (line) => void logged.push(JSON.parse(line)) }) }
})

beforeAll(async () => {
  const names = ['payment.card.charge', 'shop.rows.export', 'shop.report.make', 'shop.year.sum']
  const tasks = names.map((name) => ({ name, queue: { type: 'quorum' as const } }))
  urls = await virtualHost('reports', tasks)
  vi.stubEnv('WARREN_BROKER', urls.broker)
  vi.stubEnv('WARREN_RESULTS', urls.results)
  vi.stubEnv('PORT', '0')
  const log = vi.spyOn(console, 'log').mockImplementation((...line: unknown[]) => {
    said.push(line.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join(' '))
  })
  return () => {
    log.mockRestore()
    vi.unstubAllEnvs()
  }
})
beforeEach(() => {
  said.length = 0
})

/** Runs an example, and calls the listeners of SIGTERM that it adds when it is asked to end. */
function program(start: () => Promise<unknown>): { ended: Promise<unknown>; terminate: () => void } {
  const others = process.listeners('SIGTERM')
  const ended = start()
  const own = () => process.listeners('SIGTERM').filter((listener) => !others.includes(listener))
  const terminate = () => {
    for (const listener of own()) {
      process.removeListener('SIGTERM', listener)
      listener('SIGTERM')
    }
  }
  return { ended, terminate }
}

it('how-to/logging: Warren and the handler write to one pino logger, and what is redacted is not written', async () => {
  await import('../../examples/how-to/logging.js')
  expect(logged).toContainEqual(
    expect.objectContaining({
      ...{ component: 'warren', task: 'payment.card.charge', attempt: 1, msg: 'charging' },
      ...{ customer: 'ada', card: '[Redacted]' },
    }),
  )
  expect(logged).toContainEqual(expect.objectContaining({ outcome: 'succeeded', msg: 'task ended' }))
  expect(logged).toContainEqual(expect.objectContaining({ component: 'warren', msg: 'Worker running' }))
  expect(JSON.stringify(logged)).not.toContain('4111')
})

it('how-to/shutdown: SIGTERM lets the worker finish what it runs', async () => {
  const { ended, terminate } = program(() => import('../../examples/how-to/shutdown.js'))
  await ended
  expect(said).toEqual(['running'])
  const warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const exportRows = defineTask({ name: 'shop.rows.export', input: z.object({ pages: z.number() }) })
  const handle = await warren.send(exportRows, { pages: 50 })
  await until('the worker has it', async () => (await waiting(urls.broker, 'shop.rows.export.exports')) === 0)
  terminate()
  expect(await handle.result({ timeoutMs: 20_000 })).toEqual({ exported: 50 })
  await until('the worker has stopped', () => said.includes('stopped'))
  for (const listener of process.listeners('SIGINT'))
    if (listener.name === 'stop') process.removeListener('SIGINT', listener)
  await warren.close()
})

it('The tutorial: worker, web server, a dead letter, and the flow of a year', async () => {
  const worker = program(() => import('../../examples/tutorial/worker.js'))
  await until('the worker is ready', () => said.length > 0)
  const [, health = ''] = /ready: (\S+)/.exec(said[0] ?? '') ?? []
  expect((await fetch(health)).status).toBe(200)

  const web = program(() => import('../../examples/tutorial/web.js'))
  await web.ended
  await until('the web server listens', () => said.length > 1)
  const { port } = JSON.parse(said[1]?.replace('listening ', '') ?? '') as { port: number }
  const base = `http://127.0.0.1:${port}/reports`

  const order = await fetch(`${base}?month=2030-01`, { method: 'POST' })
  expect(order.status).toBe(202)
  const { id } = (await order.json()) as { id: string }
  const state = async () => (await (await fetch(`${base}/${id}`)).json()) as { status: string; result: unknown }
  await until('the report is there', async () => (await state()).status === 'SUCCESS')
  expect(await state()).toMatchObject({ result: { month: '2030-01', orders: 3, total: 10_200 } })
  expect((await fetch(`${base}?month=soon`, { method: 'POST' })).status).toBe(400)

  const empty = (await (await fetch(`${base}?month=1999-01`, { method: 'POST' })).json()) as { id: string }
  const warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const letters = warren.deadLetters({ domain: 'shop' })
  await until('the dead letter is there', async () => (await letters.show(empty.id)).length === 1)
  await warren.schedules({ service: 'reports' }).remove('monthly')
  await warren.close()

  vi.spyOn(process, 'argv', 'get').mockReturnValue(['node', 'year.js', '2030'])
  await import('../../examples/tutorial/year.js')
  expect(said.at(-1)).toBe('{"year":"2030","total":122400}')

  web.terminate()
  worker.terminate()
  await worker.ended
})

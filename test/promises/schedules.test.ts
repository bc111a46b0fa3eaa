/** The promise: a schedule's token goes round in the broker; each tick is sent once, and the definition may change at any time. */
import { Redis } from 'iovalkey'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, type TickEvent, UnknownScheduleError, type Warren } from '../../src/index.js'
import { pause } from '../../src/timers.js'
import { delayLevel, scheduleKey, schedulesKey, ticksQueue } from '../../src/wire/names.js'
import { type ClusterUrls, consuming, manage, until, virtualHost, waiting } from '../support/cluster.js'
import { command } from '../support/command.js'
import { STEPS, startTickVictim } from '../support/tickVictims.js'

const SERVICE = 'rota'
/** How often a worker is killed at each step; more by hand: see docs/guide/schedules.md. */
const KILLS = Number(process.env.WARREN_TICK_KILLS ?? 1)
/** How often workers are restarted; ten minutes of it by hand. */
const RESTARTS =
  process.env.WARREN_TICK_RESTARTS === 'long'
    ? ({ everyMs: 60_000, aliveMs: 20_000, ticks: 10, catchUp: 'latest' } as const)
    : ({ everyMs: 1_000, aliveMs: 400, ticks: 4, catchUp: 'all' } as const)
const input = z.object({ what: z.string() })
/** One for each test: the queues of all services that handle a task get its messages. */
const taskOf = (name: string) => defineTask({ name: `payment.rota.${name}`, input })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let store: Redis
/** Results are under keys that other files see, too. */
const run = Math.random().toString(36).slice(2)
const service = (name: string): string => `${SERVICE}-${name}-${run}`

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [taskOf('report')])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  store = new Redis(urls.results)
})
afterAll(async () => {
  await warren?.close()
  store?.disconnect()
  // One by one: a virtual host with fifty quorum queues takes long to delete.
  const queues = await manage<{ name: string }[]>('GET', `/queues/${urls.vhost}`)
  await Promise.all(queues.map(({ name }) => manage('DELETE', `/queues/${urls.vhost}/${name}`).catch(() => undefined)))
})

/** A worker that notes what it ran, and what ticked. */
async function worker(name: string, handler = (): unknown => undefined) {
  const report = taskOf(name)
  const ran: { id: string; what: string }[] = []
  const ticks: TickEvent[] = []
  const made = warren.worker({ service: service(name), concurrency: 10, gracePeriodMs: 2_000 })
  made.handle(report, async ({ what }, { id }) => {
    ran.push({ id, what })
    await handler()
  })
  made.on('tick', (tick) => ticks.push(tick))
  await consuming(made)
  return { made, ran, ticks, report, schedules: warren.schedules({ service: service(name) }) }
}

/** How many tokens there are: in the delay levels, and in the queue of those that are due. */
async function tokens(name: string): Promise<number> {
  const all = await manage<{ name: string }[]>('GET', `/queues/${urls.vhost}`)
  const queues = [...Array.from({ length: 24 }, (_, level) => delayLevel(level)), ticksQueue(service(name))]
  const there = queues.filter((queue) => all.some(({ name: each }) => each === queue))
  const counts = await Promise.all(there.map((queue) => waiting(urls.broker, queue)))
  return counts.reduce((sum, count) => sum + count, 0)
}

const secondsApart = (ticks: readonly TickEvent[]): number[] => {
  const sent = ticks.filter(({ action }) => action === 'sent').map(({ tick }) => tick.getTime())
  return sent.slice(1).map((tick, index) => (tick - (sent[index] as number)) / 1_000)
}

it('ten workers that start together with 50 upserts each: one token for each schedule', async () => {
  const report = taskOf('crowd')
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => connect({ broker: urls.broker, results: urls.results, logger: false })),
  )
  const upserts = clients.flatMap((client) =>
    Array.from({ length: 50 }, (_, index) =>
      client
        .schedules({ service: service('crowd') })
        .upsert(`s${index}`, { task: report, input: { what: `${index}` }, cron: '0 0 1 1 *' }),
    ),
  )
  const changed = (await Promise.all(upserts)).filter((each) => each.changed)
  expect(changed.length).toBe(50)
  expect(await tokens('crowd')).toBe(50)
  await Promise.all(clients.map((client) => client.close()))
  const schedules = warren.schedules({ service: service('crowd') })
  expect((await schedules.list()).length).toBe(50)
  for (const { id } of await schedules.list()) await schedules.remove(id)
})

describe.concurrent('A schedule', () => {
  it('ticks every second, each once, at its time; until it is removed', async () => {
    const { made, ran, ticks, report, schedules } = await worker('plain')
    const definition = { task: report, input: { what: 'plain' }, everyMs: 1_000 }
    const begun = await schedules.upsert('seconds', definition)
    expect(begun).toMatchObject({ changed: true, service: service('plain'), task: report.name, next: expect.any(Date) })
    expect(await schedules.upsert('seconds', definition)).toMatchObject({ changed: false })
    await until('five ticks', () => ran.length >= 5)
    const known = await schedules.get('seconds')
    expect(known?.last?.id).toBe(schedules.taskId('seconds', known?.last?.tick as Date))
    expect((await schedules.list()).map(({ id }) => id)).toEqual(['seconds'])
    expect(await warren.scheduledServices()).toContain(service('plain'))
    expect(await schedules.remove('seconds')).toBe(true)
    expect(await schedules.remove('seconds')).toBe(false)
    expect(await schedules.get('seconds')).toBeUndefined()
    expect(secondsApart(ticks).every((apart) => apart === 1)).toBe(true)
    expect(new Set(ran.map(({ id }) => id)).size).toBe(ran.length)
    await made.stop()
  })

  it('a changed definition counts at once, and its older token is dropped', async () => {
    const { made, ran, report, schedules } = await worker('changed')
    await schedules.upsert('s', { task: report, input: { what: 'old' }, cron: '* * * * * *' })
    await until('an old tick', () => ran.some(({ what }) => what === 'old'))
    await schedules.upsert('s', {
      task: report,
      input: { what: 'new' },
      cron: '* * * * * *',
      timeZone: 'Europe/Berlin',
    })
    const before = ran.length
    await until('three new ticks', () => ran.filter(({ what }) => what === 'new').length >= 3)
    // One may have been on its way.
    expect(ran.slice(before + 1).every(({ what }) => what === 'new')).toBe(true)
    expect(new Set(ran.map(({ id }) => id)).size).toBe(ran.length)
    await schedules.remove('s')
    await made.stop()
  })

  it('paused, it sends nothing until it is resumed, also after a change; triggered, it sends all the same', async () => {
    const { made, ran, ticks, report, schedules } = await worker('paused')
    await schedules.upsert('s', { task: report, input: { what: 'one' }, everyMs: 1_000 })
    await schedules.pause('s', { reason: 'a migration' })
    await schedules.upsert('s', { task: report, input: { what: 'two' }, everyMs: 1_000 })
    expect(await schedules.get('s')).toMatchObject({ paused: { reason: 'a migration', since: expect.any(Date) } })
    await until('two skipped ticks', () => ticks.filter(({ reason }) => reason === 'paused').length >= 2)
    const sent = ran.length
    const id = await schedules.trigger('s')
    await until('the triggered task', () => ran.some((each) => each.id === id))
    expect(ran.length).toBe(sent + 1)
    await schedules.resume('s')
    await until('a tick', () => ran.length > sent + 1)
    expect(await schedules.get('s')).toMatchObject({ paused: undefined })
    await schedules.remove('s')
    await made.stop()
  })

  it.each([
    ['skip', false],
    ['queueOne', true],
  ] as const)('overlap %s: while a task runs no other one starts', async (overlap, waits) => {
    let running = 0
    let most = 0
    let free = (): void => undefined
    const blocked = new Promise<void>((resolve) => {
      free = resolve
    })
    const handler = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await blocked
      running--
    }
    const { made, ran, ticks, report, schedules } = await worker(overlap, handler)
    await schedules.upsert('s', { task: report, input: { what: overlap }, everyMs: 1_000, overlap })
    await until('skipped ticks', () => ticks.filter(({ reason }) => reason === 'overlap').length >= 2)
    expect(ran.length).toBe(1)
    expect(ticks.some(({ action }) => action === 'waiting')).toBe(waits)
    const waited = (await schedules.get('s'))?.waiting
    expect(waited !== undefined).toBe(waits)
    free()
    await until('more runs', () => ran.length >= 3)
    if (waited !== undefined) expect(ran[1]?.id).toBe(schedules.taskId('s', waited))
    expect(most).toBe(1)
    await schedules.remove('s')
    await made.stop()
  })

  it('the store is emptied: the token makes the schedule known again, no tick is lost, and its pause is kept', async () => {
    const { made, ran, ticks, report, schedules } = await worker('emptied')
    await schedules.upsert('s', { task: report, input: { what: 'kept' }, everyMs: 1_000 })
    await until('two ticks', () => ran.length >= 2)
    await store.del(scheduleKey(service('emptied'), 's'), schedulesKey(service('emptied')))
    await until('three more', () => ran.length >= 5)
    expect(await schedules.list()).toMatchObject([{ id: 's', everyMs: 1_000, input: { what: 'kept' } }])
    expect(secondsApart(ticks).every((apart) => apart === 1)).toBe(true)
    expect(ran.length - new Set(ran.map(({ id }) => id)).size).toBeLessThanOrEqual(1)
    await made.stop()
    await store.del(scheduleKey(service('emptied'), 's'), schedulesKey(service('emptied')))
    // No worker knows of any schedule now, but for the queue of tokens.
    const again = await worker('emptied')
    await until('a tick of the next worker', () => again.ran.length > 0)
    await again.schedules.remove('s')
    await again.made.stop()
  })

  it('a token that is lost is made again', async () => {
    const { made, ran, report, schedules } = await worker('lost')
    await schedules.upsert('other', { task: report, input: { what: 'other' }, everyMs: 1_000 })
    await until('a tick', () => ran.length > 0)
    const { next } = await schedules.upsert('s', { task: report, input: { what: 'lost' }, everyMs: 3_600_000 })
    // As if its token had been due an hour ago and had not come.
    const key = scheduleKey(service('lost'), 's')
    const due = (next as Date).getTime() - 3_600_000
    await store.hset(key, 'next', `${due}:0`, 'due', due)
    await store.zadd(schedulesKey(service('lost')), due, 's')
    await until('its tick', () => ran.some(({ what }) => what === 'lost'))
    expect(ran.filter(({ what }) => what === 'lost').length).toBe(1)
    await schedules.remove('other')
    await schedules.remove('s')
    await made.stop()
  })

  it('backfill sends the ticks of the past, and those that succeeded only once', async () => {
    const { made, ran, report, schedules } = await worker('past')
    await schedules.upsert('s', { task: report, input: { what: 'past' }, everyMs: 60_000 })
    const [from, to] = [new Date('2026-01-01T00:00:00Z'), new Date('2026-01-01T00:04:00Z')]
    const ids = await schedules.backfill('s', { from, to })
    expect(ids).toEqual(
      [0, 1, 2, 3, 4].map((minute) => schedules.taskId('s', new Date(from.getTime() + minute * 60_000))),
    )
    await until('all five', () => ids.every((id) => ran.some((each) => each.id === id)))
    for (const id of ids) await warren.handle(report, id).result({ timeoutMs: 20_000 })
    await schedules.backfill('s', { from, to: new Date('2026-01-01T00:05:00Z') })
    await until('the sixth', () => new Set(ran.map(({ id }) => id)).size >= 6)
    expect(ran.length).toBe(6)
    const tomorrow = new Date(Date.now() + 86_400_000)
    await expect(schedules.backfill('s', { from, to: tomorrow })).rejects.toThrow(/not to be in the future/)
    await expect(schedules.backfill('s', { from, to: new Date('2026-02-01') })).rejects.toThrow(/at most 10000 ticks/)
    await schedules.remove('s')
    await made.stop()
  })

  it('the next ticks can be asked for', async () => {
    const report = taskOf('asked')
    const schedules = warren.schedules({ service: service('asked') })
    await schedules.upsert('s', { task: report, input: { what: '' }, cron: '30 2 * * *', timeZone: 'Europe/Berlin' })
    const ticks = await schedules.next('s', { after: new Date('2026-10-24T12:00:00Z'), count: 2 })
    expect(ticks.map((tick) => tick.toISOString())).toEqual(['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'])
    expect((await schedules.next('s')).length).toBe(5)
    await schedules.remove('s')
  })

  it('the command line lists, shows, pauses, resumes, triggers and removes', async () => {
    const schedules = warren.schedules({ service: service('cli') })
    const id = `cli-${run}`
    const definition = { task: taskOf('report'), input: { what: 'cli' }, cron: '30 2 * * *', timeZone: 'Europe/Berlin' }
    await schedules.upsert(id, definition)
    const where = ['--broker', urls.broker, '--results', urls.results]
    const said = (...words: string[]) => command('schedule', ...words, ...where)
    const list = await said('list', '--service', service('cli'))
    expect(list).toMatchObject({ code: 0, out: expect.stringMatching(/30 2 \* \* \* Europe\/Berlin .* active/) })
    expect(JSON.parse((await said('list', '--service', service('cli'), '--json')).out)).toMatchObject({ id })
    expect((await said('pause', id, '--reason', 'a migration')).code).toBe(0)
    expect((await said('show', id)).out).toMatch(/paused {4}since .*: a migration/)
    expect((await said('resume', id)).out).toMatch(/sends again; its next tick is \d{4}-\d\d-\d\d 02:30:00 \+0[12]:00/)
    expect((await said('next', id, '--count', '3')).out.trim().split('\n').length).toBe(3)
    expect(JSON.parse((await said('show', id, '--json')).out)).toMatchObject({
      event: 'schedule',
      id,
      input: { what: 'cli' },
    })
    // Another service has one of this id, too.
    const others = warren.schedules({ service: service('cli2') })
    await others.upsert(id, definition)
    expect(await said('remove', id)).toMatchObject({ code: 2, err: expect.stringMatching(/expected --service/) })
    expect((await said('remove', id, '--service', service('cli'))).code).toBe(0)
    expect((await said('remove', id)).code).toBe(0)
    expect(await said('show', id)).toMatchObject({ code: 1, err: expect.stringMatching(/no schedule has the id/) })
    expect((await said('next', id, '--count', '0')).code).toBe(2)
  })

  it('wrong use says what was expected, and changes nothing', async () => {
    const schedules = warren.schedules({ service: service('wrong') })
    const right = { task: taskOf('wrong'), input: { what: '' } }
    const upsert = (id: string, change: object) =>
      schedules.upsert(id, { ...right, cron: '0 0 * * *', ...change } as never)
    await upsert('kept', {})
    const before = await schedules.get('kept')
    for (const [change, expected] of [
      [{ cron: '0 0 31 2 *' }, /`cron` to match some date, got: "0 0 31 2 \*"/],
      [{ cron: 'at noon' }, /`cron` to be five fields/],
      [{ cron: '60 * * * *' }, /`cron` to be a cron expression \(Invalid value for minute: 60\)/],
      [{ timeZone: 'Europe/Bielefeld' }, /`timeZone` to be a time zone of the IANA database/],
      [{ everyMs: 1_000 }, /either `cron` or `everyMs`, got: both/],
      [{ cron: undefined }, /either `cron` or `everyMs`, got: neither/],
      [{ cron: undefined, everyMs: 10 }, /`everyMs` to be an integer from 1000/],
      [
        { cron: undefined, everyMs: 1_000, jitterMs: 1_000 },
        /`jitterMs` to be less than the time between two ticks, 1000/,
      ],
      [{ overlap: 'queue' }, /`overlap` to be 'allow' or 'skip' or 'queueOne'/],
      [{ catchUp: true }, /`catchUp` to be 'none' or 'latest' or 'all'/],
      [{ task: { name: 'payment.rota.report' } }, /expected a task, which defineTask\(\) returns/],
      [{ timezone: 'UTC' }, /unknown option `timezone`, did you mean `timeZone`/],
    ] as const) {
      await expect(upsert('kept', change), JSON.stringify(change)).rejects.toMatchObject({
        ...{ code: 'INVALID_OPTIONS', message: expect.stringMatching(expected) },
      })
    }
    await expect(upsert('kept', { input: { what: 7 } })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(upsert('é'.repeat(101), {})).rejects.toThrow(/a text of 1 to 200 bytes, got: 202 bytes/)
    await expect(upsert('', {})).rejects.toThrow(/a text of 1 to 200 bytes/)
    expect(await schedules.get('kept')).toEqual(before)
    for (const call of [
      () => schedules.pause('none'),
      () => schedules.resume('none'),
      () => schedules.trigger('none'),
      () => schedules.next('none'),
      () => schedules.backfill('none', { from: new Date(0), to: new Date(1) }),
    ]) {
      await expect(call()).rejects.toThrow(UnknownScheduleError)
    }
    expect(() => warren.schedules({ service: 'a service' })).toThrow(/`service` to be up to 50 letters/)
    await schedules.remove('kept')
  })

  it.each(['latest', 'all'] as const)('no worker is there over three ticks, catchUp %s', async (catchUp) => {
    const name = `away-${catchUp}`
    const report = taskOf(name)
    const schedules = warren.schedules({ service: service(name) })
    const begun = await schedules.upsert('s', { task: report, input: { what: name }, everyMs: 1_000, catchUp })
    const first = (begun.next as Date).getTime()
    await until('three ticks are over', () => Date.now() > first + 2_500)
    const { made, ticks } = await worker(name)
    await until('two ticks sent', () => ticks.filter(({ action }) => action === 'sent').length >= 2)
    const sent = ticks.filter(({ action }) => action === 'sent').map(({ tick }) => tick.getTime())
    if (catchUp === 'all') expect(sent.slice(0, 2)).toEqual([first, first + 1_000])
    else expect(sent[0]).toBeGreaterThanOrEqual(first + 2_000)
    await schedules.remove('s')
    await made.stop()
  })

  it(`workers that are restarted every ${RESTARTS.aliveMs} ms: no tick is lost, and none doubled`, async () => {
    const { everyMs, aliveMs, ticks: count, catchUp } = RESTARTS
    const name = service('restarted')
    const { made, ran, report } = await worker('restarted-runner')
    const schedules = warren.schedules({ service: name })
    const definition = { task: report, input: { what: 'kept' }, everyMs, catchUp }
    const first = ((await schedules.upsert('s', definition)).next as Date).getTime()
    const sentTo = async () => (await schedules.get('s'))?.last?.tick.getTime() ?? 0
    while ((await sentTo()) < first + (count - 1) * everyMs) {
      const restarted = await connect({ broker: urls.broker, results: urls.results, logger: false })
      const looks = restarted.worker({ service: name }).handle(taskOf('restarted-idle'), () => undefined)
      await looks.start()
      expect((await restarted.schedules().upsert('s', definition)).changed).toBe(false)
      await pause(aliveMs)
      await restarted.close()
    }
    await schedules.pause('s')
    const ids: string[] = []
    for (let tick = first, last = await sentTo(); tick <= last; tick += everyMs) {
      ids.push(schedules.taskId('s', new Date(tick)))
    }
    await until('every tick run', () => ids.every((id) => ran.some((each) => each.id === id)))
    expect(ran.map(({ id }) => id).sort()).toEqual(ids.sort())
    await schedules.remove('s')
    await made.stop()
  }, 900_000)

  it.each(STEPS)(
    `a worker that is killed at step %i of a tick, ${KILLS} time(s): every tick is run once`,
    async (step) => {
      const { made, ran, report } = await worker(`runner${step}`)
      const name = service(`victims${step}`)
      const schedules = warren.schedules({ service: name })
      const begun = await schedules.upsert('s', {
        ...{ task: report, input: { what: 'survived' }, everyMs: 1_000, catchUp: 'all' },
      })
      for (let kill = 0; kill < KILLS; kill++) {
        expect(await startTickVictim(urls, name, step).ended).toEqual([null, 'SIGKILL'])
      }
      const killedAt = Date.now()
      const survivor = warren.worker({ service: name }).handle(taskOf(`idle${step}`), () => undefined)
      await survivor.start()
      const sentTo = async () => (await schedules.get('s'))?.last?.tick.getTime() ?? 0
      await until('a tick after all of them', async () => (await sentTo()) > killedAt, 60_000)
      await schedules.pause('s')
      const last = await sentTo()
      const expected: string[] = []
      for (let tick = (begun.next as Date).getTime(); tick <= last; tick += 1_000) {
        expected.push(schedules.taskId('s', new Date(tick)))
      }
      await until('every tick run', () => expected.every((id) => ran.some((each) => each.id === id)), 60_000)
      expect(ran.filter(({ id }) => expected.includes(id)).length).toBe(expected.length)
      await schedules.remove('s')
      await Promise.all([survivor.stop(), made.stop()])
    },
    1_200_000,
  )
})

it('an upsert whose token cannot be published leaves the schedule as it was', async () => {
  const report = taskOf('undone')
  const schedules = warren.schedules({ service: service('undone') })
  const definition = { task: report, input: { what: 'first' }, cron: '0 0 1 1 *' }
  await schedules.upsert('s', definition)
  const before = await schedules.get('s')
  // May declare everything, and publish nothing into the levels.
  const user = `limited-${run}`
  await manage('PUT', `/users/${user}`, { password: user, tags: '' })
  await manage('PUT', `/permissions/${urls.vhost}/${user}`, {
    ...{ configure: '.*', read: '.*', write: '^warren\\.ticks\\.' },
  })
  const limited = await connect({
    broker: urls.broker.replace('admin:admin', `${user}:${user}`),
    ...{ results: urls.results, logger: false, confirmTimeoutMs: 5_000 },
  })
  try {
    const others = limited.schedules({ service: service('undone') })
    const refused = { code: 'ACCESS_REFUSED' }
    await expect(others.upsert('s', { ...definition, input: { what: 'second' } })).rejects.toMatchObject(refused)
    await expect(others.upsert('t', definition)).rejects.toMatchObject(refused)
  } finally {
    await limited.close()
    await manage('DELETE', `/users/${user}`)
  }
  expect(await schedules.get('s')).toEqual(before)
  expect((await schedules.list()).map(({ id }) => id)).toEqual(['s'])
  expect(await schedules.upsert('t', definition)).toMatchObject({ changed: true })
  await schedules.remove('s')
  await schedules.remove('t')
})

/**
 * Reads the result store's state, and whether it accepts workers' writes. Nothing is written: the doctor tries to replace keys
 * that do not exist (`SET … XX`), which a store refuses for the same reasons as any write, and otherwise does nothing.
 */
import { randomUUID } from 'node:crypto'
import { Redis } from 'iovalkey'
import { storeOptions, textOf } from 'warren'
import type { ClockFacts, Seen, StoreFacts } from '../snapshot.js'
import { type Sample, storeClock } from './clocks.js'
import { CannotSee, seen } from './unseen.js'

const TIMEOUT_MS = 5_000
const SAMPLES = 7

export interface StoreParts {
  readonly store: Seen<StoreFacts>
  readonly storeClock: Seen<readonly ClockFacts[]>
  readonly looked: readonly string[]
}

export async function lookAtStore(text: string): Promise<StoreParts> {
  const address = text.replace(/\/\/[^@/]*@/, '//').replace(/\/$/, '')
  let problem: string | undefined
  const redis = new Redis({
    ...storeOptions(text),
    connectionName: 'warren-doctor',
    lazyConnect: true,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    sentinelCommandTimeout: TIMEOUT_MS,
  })
  redis.on('error', (error) => {
    problem ??= textOf(error)
  })
  try {
    await redis.connect().catch((error: unknown) => {
      throw new CannotSee(
        `the store at ${address} does not answer (${problem ?? textOf(error)})`,
        'Start it, or correct the address of --results',
      )
    })
    const [store, clock] = [await seen(() => storeOf(redis, address)), await seen(() => clockOf(redis, address))]
    return { store, storeClock: clock, looked: [address] }
  } catch (error) {
    if (!(error instanceof CannotSee)) throw error
    const part = { unseen: error.message, fix: error.fix }
    return { store: part, storeClock: part, looked: [address] }
  } finally {
    redis.disconnect()
  }
}

async function storeOf(redis: Redis, address: string): Promise<StoreFacts> {
  const info = await redis.info().catch((error: unknown) => {
    throw new CannotSee(`the store at ${address} does not answer INFO (${textOf(error)})`, remedy(textOf(error)))
  })
  const said = new Map(info.split(/\r?\n/).map((line) => line.split(/:(.*)/, 2) as [string, string]))
  const number = (field: string): number | undefined => (said.has(field) ? Number(said.get(field)) : undefined)
  const [snapshots, appendFsync] = await Promise.all([configured(redis, 'save'), configured(redis, 'appendfsync')])
  const aof = said.get('aof_enabled')
  return {
    address,
    version: said.get('valkey_version') ?? said.get('redis_version') ?? 'unknown',
    policy: said.get('maxmemory_policy') ?? (await configured(redis, 'maxmemory-policy')),
    maxMemory: number('maxmemory'),
    usedMemory: number('used_memory'),
    appendOnly: aof === undefined ? undefined : aof === '1',
    snapshots,
    appendFsync,
    lastAppendOk: (said.get('aof_last_write_status') ?? 'ok') === 'ok',
    lastSnapshotOk: (said.get('rdb_last_bgsave_status') ?? 'ok') === 'ok',
    refusal: await refusalOf(redis),
  }
}

const remedy = (said: string): string =>
  /NOAUTH|WRONGPASS/.test(said)
    ? 'Correct user and password of --results'
    : 'Pass --results with a user that may use INFO: docs/guide/results.md'

/** Undefined where the user may not read the configuration, or the service has none to read. */
async function configured(redis: Redis, name: string): Promise<string | undefined> {
  const answer: unknown = await redis.config('GET', name).catch(() => undefined)
  return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : undefined
}

/** Tries each kind of command that a worker or a sender uses, on names that nobody has. */
async function refusalOf(redis: Redis): Promise<StoreFacts['refusal']> {
  const id = `warren-doctor-${randomUUID()}`
  const keys = [`celery-task-meta-${id}`, `warren-${id}`]
  const tries: [string, () => Promise<unknown>][] = [
    ...keys.map((key): [string, () => Promise<unknown>] => [
      `SET ${pattern(key)}`,
      () => redis.call('SET', key, '', 'XX'),
    ]),
    ...keys.map((key): [string, () => Promise<unknown>] => [`GET ${pattern(key)}`, () => redis.call('GET', key)]),
    ['a script', () => redis.eval("return redis.call('SET', KEYS[1], '', 'XX')", 1, keys[0] ?? '')],
    ...[keys[0] ?? '', `warren-replies-${id}`].map((channel): [string, () => Promise<unknown>] => [
      `PUBLISH ${pattern(channel)}`,
      () => redis.call('PUBLISH', channel, ''),
    ]),
  ]
  for (const [command, attempt] of tries) {
    const said = await attempt().then(
      () => undefined,
      (error: unknown) => textOf(error),
    )
    if (said !== undefined) return { command, said }
  }
  return undefined
}

const pattern = (key: string): string => key.replace(/warren-doctor-.*$/, '*')

async function clockOf(redis: Redis, address: string): Promise<readonly ClockFacts[]> {
  const samples: Sample[] = []
  for (let turn = 0; turn < SAMPLES; turn++) {
    const [sentAt, started] = [Date.now(), performance.now()]
    const [seconds, micros] = (await redis.time().catch((error: unknown) => {
      throw new CannotSee(
        `the store at ${address} does not answer TIME (${textOf(error)})`,
        'Pass --results with a user that may use TIME',
      )
    })) as [number | string, number | string]
    const answeredAt = sentAt + (performance.now() - started)
    samples.push({ sentAt, answeredAt, shownMs: Number(seconds) * 1000 + Number(micros) / 1000 })
  }
  const clock = storeClock(`the store at ${address}`, samples)
  return clock === undefined ? [] : [clock]
}

/** Unique keys and once-claims on a real store: who holds a key, step by step. */
import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { OnceClaims } from '../../src/control/onceClaims.js'
import { type UniqueClaim, UniqueKeys } from '../../src/control/uniqueKeys.js'
import { settleUnique, type UniqueOptions } from '../../src/control/uniqueOptions.js'
import { parseResults } from '../../src/results/connection.js'
import { Results } from '../../src/results/store.js'
import { onceKey, uniqueKey } from '../../src/wire/names.js'
import { encodeFailure, encodePending, encodeRevoked, encodeSuccess } from '../../src/wire/resultFormat.js'
import type { UniqueMark } from '../../src/wire/uniqueMark.js'
import { atEnd, type OwnStore, ownCluster, ownStore } from '../support/ownStore.js'

const VHOST = '/'
const TASK = 'payment.unique.step'
const DAY_MS = 24 * 60 * 60 * 1000

let store: OwnStore
let results: Results
let keys: UniqueKeys

async function opened(target: Parameters<typeof parseResults>[1]): Promise<Results> {
  const made = new Results({
    target: parseResults('test', target),
    producerId: randomUUID(),
    ttlMs: 60_000,
    connectTimeoutMs: 5_000,
  })
  atEnd(() => made.close())
  await made.open()
  return made
}

beforeAll(async () => {
  store = await ownStore()
  results = await opened(store.url)
  keys = new UniqueKeys(results, VHOST)
})

interface Sent extends Partial<UniqueOptions> {
  readonly id?: string
  readonly run?: number
  readonly delayMs?: number
  readonly limitMs?: number
}

const claim = (key: string, { id = randomUUID(), run = 0, delayMs = 0, limitMs = 5_000, ...unique }: Sent = {}) =>
  keys.claim({ task: TASK, id, run, delayMs, limitMs, unique: settleUnique('test', { key, ...unique }) })

async function claimed(key: string, sent: Sent = {}): Promise<UniqueClaim> {
  const made = await claim(key, sent)
  if (typeof made === 'string') throw new Error(`held by ${made}`)
  return made
}

/** Claimed and confirmed: as `send` does it. */
async function sent(key: string, options: Sent = {}): Promise<UniqueClaim> {
  const made = await claimed(key, options)
  await made.confirmed()
  return made
}

const begin = ({ id, run, mark }: { id: string; run: number; mark: UniqueMark }) => keys.begin(TASK, id, run, mark)
const release = (key: string, { id, run }: { id: string; run: number }, always = false) =>
  keys.release(TASK, key, { id, run, always })
const holder = (key: string) => keys.holder(TASK, key)
const ttlOf = (key: string) => store.admin.pttl(uniqueKey(VHOST, TASK, key))
const fresh = () => randomUUID()

const doneAt = new Date()
const error = { errorClass: 'Error', message: 'no', traceback: undefined }
const say = (id: string, encoded: string, run = 0) =>
  results.store({ id, attempt: 1, run, replyTo: undefined }, encoded)
const succeed = (id: string, run = 0) =>
  say(id, encodeSuccess({ id, attempt: 1, run, task: TASK, output: 1, doneAt }), run)
const fail = (id: string, run = 0) => say(id, encodeFailure({ id, attempt: 1, run, error, doneAt }), run)
const revoke = (id: string) => say(id, encodeRevoked({ id, attempt: 1, run: 0, reason: 'expired', doneAt }))

describe('Who sends', () => {
  it('the first holds the key, and the others get its id once it is confirmed', async () => {
    const key = fresh()
    const first = await claimed(key)
    const others = Promise.all([claim(key), claim(key), claim(key)])
    await first.confirmed()
    expect(await others).toEqual([first.id, first.id, first.id])
    expect(await holder(key)).toBe(first.id)
    expect(await ttlOf(key)).toBeGreaterThan(DAY_MS - 60_000)
  })

  it('a publish that fails frees the key for those who wait', async () => {
    const key = fresh()
    const first = await claimed(key)
    const other = claimed(key)
    await first.failed(false)
    const second = await other
    expect(second.id).not.toBe(first.id)
    expect(await holder(key)).toBe(second.id)
    await first.failed(false)
    expect(await holder(key)).toBe(second.id)
    await second.failed(false)
    expect(await store.admin.exists(uniqueKey(VHOST, TASK, key))).toBe(0)
  })

  it('what may have been published is published again under its id, by one sender', async () => {
    const key = fresh()
    const first = await claimed(key)
    await first.failed(true)
    const [one, two] = [claim(key), claim(key)]
    const adopter = await Promise.race([one, two])
    if (typeof adopter === 'string') throw new Error('nobody adopted')
    expect(adopter).toMatchObject({ id: first.id })
    expect(adopter.run).toBeGreaterThan(0)
    await adopter.confirmed()
    expect((await Promise.all([one, two])).filter((each) => each === first.id)).toHaveLength(1)
    // The first one's word comes late.
    await first.failed(false)
    expect(await holder(key)).toBe(first.id)
  })

  it('what is adopted and cannot be published stays to be adopted', async () => {
    const key = fresh()
    const first = await claimed(key)
    await first.failed(true)
    const adopter = await claimed(key)
    await adopter.failed(false)
    expect(await claimed(key)).toMatchObject({ id: first.id })
  })

  it('a sender that dies in between holds up others for some seconds', async () => {
    const key = fresh()
    const first = await claimed(key)
    // Its timer is the only thing that lives on here; without it the claim ends by itself.
    await store.admin.hset(uniqueKey(VHOST, TASK, key), 'token', 'of a process that died')
    expect(await claimed(key, { limitMs: 20_000 })).toMatchObject({ id: first.id })
  })

  it('whoever waits for another sender longer than it wanted is told so', async () => {
    const key = fresh()
    await claimed(key)
    await expect(claim(key, { limitMs: 50 })).rejects.toMatchObject({ code: 'UNCONFIRMED', written: false })
  })

  it('the same id under the same key is sent again', async () => {
    const key = fresh()
    const first = await sent(key, { id: 'mine', run: 1 })
    expect(await claimed(key, { id: 'mine', run: 2 })).toMatchObject({ id: first.id, run: 2 })
  })

  it('rejects when told to', async () => {
    const key = fresh()
    const first = await sent(key)
    await expect(claim(key, { onConflict: 'reject' })).rejects.toMatchObject({
      code: 'UNIQUE_CONFLICT',
      holder: first.id,
      key,
      task: TASK,
    })
  })

  it('a delay is added to the TTL', async () => {
    const key = fresh()
    await sent(key, { delayMs: 5 * DAY_MS, ttlMs: 10_000 })
    expect(await ttlOf(key)).toBeGreaterThan(5 * DAY_MS)
  })

  it.each([
    ['SUCCESS', succeed],
    ['FAILURE', fail],
    ['REVOKED', revoke],
  ])('a holder that ended as %s loses the key to the next', async (_status, end) => {
    const key = fresh()
    const first = await sent(key)
    await end(first.id)
    const second = await claimed(key)
    expect(second.id).not.toBe(first.id)
    await second.confirmed()
    // A late release of the first.
    await release(key, first)
    expect(await holder(key)).toBe(second.id)
  })

  it('so does one whose sender could not confirm it', async () => {
    const key = fresh()
    const first = await claimed(key)
    await first.failed(true)
    await succeed(first.id)
    expect((await claimed(key)).id).not.toBe(first.id)
  })

  it('a redriven holder keeps it, whatever its first run left', async () => {
    const key = fresh()
    const first = await sent(key)
    await fail(first.id)
    await say(first.id, encodePending({ id: first.id, run: 7 }), 7)
    expect(await claim(key)).toBe(first.id)
    await begin({ ...first, run: 7 })
    await release(key, first)
    expect(await holder(key)).toBe(first.id)
    await release(key, { ...first, run: 7 })
    expect(await holder(key)).toBeUndefined()
  })

  it('a key that is kept for a time is kept for that time, whatever becomes of its task', async () => {
    const key = fresh()
    const first = await sent(key, { until: 500 })
    await begin(first)
    await succeed(first.id)
    await release(key, first)
    expect(await claim(key)).toBe(first.id)
    await expect.poll(() => claim(key)).not.toBe(first.id)
  })

  it('and freed when its task was cancelled', async () => {
    const key = fresh()
    const first = await sent(key, { until: 60_000 })
    await release(key, first, true)
    expect(await holder(key)).toBeUndefined()
  })
})

describe('Who runs', () => {
  it('confirms what its sender could not', async () => {
    const key = fresh()
    const first = await claimed(key)
    expect(await begin(first)).toEqual({ kind: 'held' })
    expect(await claim(key)).toBe(first.id)
  })

  it('a sender that confirms after the end takes nothing', async () => {
    const key = fresh()
    const first = await claimed(key)
    await begin(first)
    await release(key, first)
    await first.confirmed()
    expect(await holder(key)).toBeUndefined()
  })

  it('frees a key at the start where it is wanted so, also once more', async () => {
    const key = fresh()
    const first = await sent(key, { until: 'started' })
    expect(await begin(first)).toEqual({ kind: 'held' })
    expect(await holder(key)).toBeUndefined()
    const second = await sent(key, { until: 'started' })
    // A retry of the first.
    expect(await begin(first)).toEqual({ kind: 'other' })
    expect(await holder(key)).toBe(second.id)
  })

  it('takes a key again that is free, and runs without it where another task has it', async () => {
    const key = fresh()
    const first = await sent(key)
    await release(key, first)
    expect(await begin({ ...first, run: 5 })).toEqual({ kind: 'held' })
    expect(await claim(key)).toBe(first.id)
    await release(key, { ...first, run: 5 })
    const second = await sent(key)
    expect(await begin({ ...first, run: 6 })).toEqual({ kind: 'other' })
    expect(await holder(key)).toBe(second.id)
  })

  it('keeps a key over a retry', async () => {
    const key = fresh()
    const first = await sent(key, { ttlMs: 10_000 })
    await keys.keep(TASK, first.id, first.mark, 60_000)
    expect(await ttlOf(key)).toBeGreaterThan(60_000)
    await keys.keep(TASK, 'another', first.mark, DAY_MS)
    expect(await ttlOf(key)).toBeLessThan(80_000)
  })
})

describe('Who replaces', () => {
  const replace = { onConflict: 'replace' } as const

  it('takes the key once it is confirmed, and the older one is dropped from then on', async () => {
    const key = fresh()
    const [first, second] = [await sent(key, replace), await claimed(key, replace)]
    expect(await holder(key)).toBe(first.id)
    await second.confirmed()
    expect(await holder(key)).toBe(second.id)
    expect(await begin(first)).toEqual({ kind: 'replaced', by: second.id })
    expect(await begin(second)).toEqual({ kind: 'held' })
  })

  it('changes nothing when it cannot be published', async () => {
    const key = fresh()
    const first = await sent(key, replace)
    await (await claimed(key, replace)).failed(false)
    await (await claimed(key, replace)).failed(true)
    expect(await holder(key)).toBe(first.id)
    expect(await begin(first)).toEqual({ kind: 'held' })
  })

  it('the older one is dropped also when the newer has ended by then, and when it was sent otherwise', async () => {
    const key = fresh()
    const [first, second] = [await sent(key), await sent(key, replace)]
    await begin(second)
    await release(key, second)
    expect(await holder(key)).toBeUndefined()
    expect(await begin(first)).toMatchObject({ kind: 'replaced' })
    const third = await sent(key)
    expect(await begin(first)).toMatchObject({ kind: 'replaced' })
    expect(await begin(third)).toEqual({ kind: 'held' })
  })

  it('a message takes the key by itself when it is run before its sender says that it is confirmed', async () => {
    const key = fresh()
    const [first, second] = [await sent(key, replace), await claimed(key, replace)]
    expect(await begin(second)).toEqual({ kind: 'held' })
    expect(await begin(first)).toEqual({ kind: 'replaced', by: second.id })
    await release(key, second)
    await second.confirmed()
    expect(await holder(key)).toBeUndefined()
  })

  it('of many at the same time the last one stays', async () => {
    const key = fresh()
    const all = await Promise.all(Array.from({ length: 50 }, () => claimed(key, replace)))
    await Promise.all(all.map((each) => each.confirmed()))
    const last = all.reduce((a, b) => (a.mark.seq > b.mark.seq ? a : b))
    expect(await holder(key)).toBe(last.id)
    const begun = await Promise.all(all.map((each) => begin(each)))
    expect(begun.filter(({ kind }) => kind === 'held')).toHaveLength(1)
  })

  it('only a newer version replaces, in whatever order they come', async () => {
    const key = fresh()
    const five = await sent(key, { ...replace, version: 5 })
    expect(await claim(key, { ...replace, version: 4 })).toBe(five.id)
    expect(await claim(key, { ...replace, version: 5 })).toBe(five.id)
    const [seven, six] = [
      await claimed(key, { ...replace, version: 7 }),
      await claimed(key, { ...replace, version: 6 }),
    ]
    await seven.confirmed()
    await six.confirmed()
    expect(await holder(key)).toBe(seven.id)
    expect(await begin(six)).toEqual({ kind: 'replaced', by: seven.id })
    expect(await begin(five)).toEqual({ kind: 'replaced', by: seven.id })
    await begin(seven)
    await release(key, seven)
    // Once it is free any version is sent.
    const four = await claimed(key, { ...replace, version: 4 })
    expect(await begin(four)).toEqual({ kind: 'held' })
  })

  it('in a store that was emptied, the newest is run whoever comes first', async () => {
    const key = fresh()
    const [first, second] = [await sent(key, replace), await sent(key, replace)]
    await store.admin.del(uniqueKey(VHOST, TASK, key))
    expect(await begin(first)).toEqual({ kind: 'held' })
    expect(await begin(second)).toEqual({ kind: 'held' })
    expect(await holder(key)).toBe(second.id)
  })
})

it('in a cluster', async () => {
  const { client } = await ownCluster()
  const clustered = new UniqueKeys(await opened(client as never), VHOST)
  const unique = settleUnique('test', { key: 'a{b}c' })
  const send = (id: string) => clustered.claim({ task: TASK, id, run: 0, delayMs: 0, limitMs: 5_000, unique })
  const first = await send('one')
  if (typeof first === 'string') throw new Error('held')
  await first.confirmed()
  expect(await send('two')).toBe('one')
})

describe('One copy at a time', () => {
  const LEASE_MS = 600
  let claims: OnceClaims
  beforeAll(() => {
    claims = new OnceClaims(results, LEASE_MS)
  })
  const take = (id: string, publication: string, { copy = 'a', retries = 0, redelivered = false } = {}) =>
    claims.take({ queue: 'q', id, redelivered }, { publication, copy, retries })
  async function taken(...args: Parameters<typeof take>) {
    const claim = await take(...args)
    if (typeof claim === 'number') throw new Error(`held for ${claim} ms`)
    return claim
  }

  it('another copy waits for a lease, for as long as the first is run', async () => {
    const id = fresh()
    const claim = await taken(id, 'one')
    expect(await take(id, 'two')).toBe(LEASE_MS)
    expect(await take(id, 'one', { copy: 'b' })).toBe(LEASE_MS)
    await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS))
    expect(await take(id, 'two')).toBe(LEASE_MS)
    claim.release()
    await expect.poll(() => store.admin.exists(onceKey('q', id))).toBe(0)
    const next = await taken(id, 'two')
    claim.release()
    expect(await take(id, 'three')).toBe(LEASE_MS)
    next.release()
  })

  it('a copy that the broker hands out again takes its claim along, and its first holder cannot end it', async () => {
    const id = fresh()
    const lost = await taken(id, 'one')
    const claim = await taken(id, 'one', { redelivered: true })
    lost.release()
    expect(await take(id, 'two', { redelivered: true })).toBe(LEASE_MS)
    claim.release()
  })

  it('the next attempt waits a moment for the end of the one before it', async () => {
    const id = fresh()
    const claim = await taken(id, 'one')
    const retry = taken(id, 'one', { copy: 'b', retries: 1 })
    claim.release()
    ;(await retry).release()
    const stuck = await taken(id, 'two')
    expect(await take(id, 'two', { copy: 'b', retries: 1 })).toBe(1_000)
    stuck.release()
  })

  it('a claim that nobody renews ends with its lease', async () => {
    const id = fresh()
    await taken(id, 'one')
    await store.admin.hset(onceKey('q', id), 'token', 'of a process that died')
    await expect.poll(async () => typeof (await take(id, 'two'))).toBe('object')
  })

  it('says nothing of another queue', async () => {
    const id = fresh()
    const one = await taken(id, 'one')
    const other = await claims.take(
      { queue: 'r', id, redelivered: false },
      { publication: 'one', copy: 'a', retries: 0 },
    )
    expect(typeof other).toBe('object')
    one.release()
    if (typeof other !== 'number') other.release()
  })
})

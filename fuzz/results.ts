/** What a stranger may put into the result store, at a live producer: whatever it reads ends by name. */
import fc from 'fast-check'
import { Redis } from 'iovalkey'
import { connect, defineTask, resultKey, textOf, type Warren, WarrenError } from 'warren'
import { z } from 'zod'
import { printed, shrink } from './shrink.js'

const task = defineTask({ name: 'fuzz.results.read', input: z.object({}), output: z.object({ n: z.number() }) })
const NEIGHBOUR = '{"status": "SUCCESS", "result": {"n": 7}, "traceback": null, "children": [], "task_id": "neighbour"}'
/** Long enough for a store that is busy; what is no end of a task waits for it. */
const RESULT_MS = 1_500
const BATCH = 200

/** One result, its announcement, and what its stream of events holds. */
interface FuzzResult {
  readonly key: 'text' | 'list' | 'hash' | 'none'
  readonly text: string
  readonly announced: string | undefined
  readonly entries: readonly (readonly [field: string, value: string])[]
}

const plain: FuzzResult = { key: 'none', text: '', announced: undefined, entries: [] }

const status = fc.oneof(
  fc.constantFrom('SUCCESS', 'FAILURE', 'REVOKED', 'RETRY', 'PROGRESS', 'STARTED', 'PENDING', 'RECEIVED'),
  fc.constantFrom('', 'success', 'OWN'),
)
const error = fc.oneof(
  fc.record(
    { exc_type: fc.jsonValue(), exc_message: fc.jsonValue(), exc_module: fc.jsonValue() },
    { requiredKeys: [] },
  ),
  fc.jsonValue(),
)
const fields = fc.record(
  {
    ...{ status: fc.oneof({ weight: 8, arbitrary: status }, fc.jsonValue()) },
    result: fc.oneof(fc.constant({ n: 1 }), error, fc.jsonValue()),
    ...{ traceback: fc.jsonValue(), children: fc.jsonValue(), task_id: fc.jsonValue(), date_done: fc.jsonValue() },
    ...{ name: fc.jsonValue(), queue: fc.jsonValue(), queued: fc.jsonValue(), started: fc.jsonValue() },
    ...{ cancelled: fc.jsonValue(), attempt: fc.jsonValue(), run: fc.jsonValue() },
  },
  { requiredKeys: ['status'] },
)
const text = fc.oneof(
  { weight: 8, arbitrary: fields.map((each) => JSON.stringify(each)) },
  { weight: 2, arbitrary: fields.map((each) => JSON.stringify(each).replace('":', '": ')) },
  fc.json(),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '{"status": "SUCCESS", "result": NaN}',
    '{"status": "SUCCESS"',
    `{"status": "SUCCESS", "result": ${'['.repeat(50_000)}`,
  ),
)

const result: fc.Arbitrary<FuzzResult> = fc.record({
  key: fc.constantFrom(
    'text' as const,
    'text' as const,
    'text' as const,
    'list' as const,
    'hash' as const,
    'none' as const,
  ),
  text,
  announced: fc.option(text, { nil: undefined }),
  entries: fc.array(fc.tuple(fc.constantFrom('event', 'entry', 'size', 'x'), text), { maxLength: 4 }),
})

interface ResultsReport {
  readonly sent: number
  readonly endings: ReadonlyMap<string, number>
  readonly problems: readonly string[]
  readonly least: string | undefined
}

interface ResultsOptions {
  readonly broker: string
  readonly results: string
  readonly seed: number
  readonly count: number
}

export async function fuzzResults({ broker, results, seed, count }: ResultsOptions): Promise<ResultsReport> {
  const warren = await connect({ broker, results, logger: false })
  const store = new Redis(results)
  const endings = new Map<string, number>()
  try {
    const breaks = async (some: readonly FuzzResult[]) => (await read(warren, store, some, new Map())).length > 0
    for (let sent = 0; sent < count; sent += BATCH) {
      const all = fc.sample(result, { seed: seed + sent, numRuns: Math.min(BATCH, count - sent) })
      const problems = await read(warren, store, all, endings)
      if (problems.length === 0) continue
      return { sent: sent + all.length, endings, problems, least: printed(await shrink(all, simpler, breaks)) }
    }
    return { sent: count, endings, problems: [], least: undefined }
  } finally {
    store.disconnect()
    await warren.close()
  }
}

const simpler = (each: FuzzResult): FuzzResult[] =>
  (Object.keys(plain) as (keyof FuzzResult)[])
    .filter((part) => JSON.stringify(each[part]) !== JSON.stringify(plain[part]))
    .map((part) => ({ ...each, [part]: plain[part] }))

let batches = 0

/** Returns what did not end by name, in sentences. */
async function read(
  warren: Warren,
  store: Redis,
  all: readonly FuzzResult[],
  endings: Map<string, number>,
): Promise<string[]> {
  const problems: string[] = []
  const lost = ({ reason }: { reason?: string; state: string }) => problems.push(`a connection was lost: ${reason}`)
  const watch = (event: { state: string; reason?: string }) => void (event.state === 'unavailable' && lost(event))
  warren.on('storeState', watch)
  const batch = ++batches
  const one = async (each: FuzzResult, index: number): Promise<void> => {
    const id = `fuzz-${batch}-${index}`
    const handle = warren.handle(task, id)
    // Half of them are there already when they are asked for; the others come while somebody waits.
    const early = index % 2 === 0
    if (early) await write(store, id, each)
    const waiting = handle.result({ timeoutMs: RESULT_MS })
    const written = early ? Promise.resolve() : write(store, id, each)
    const state = written.then(() => handle.state())
    const events = written.then(() => drain(handle.events({ follow: false })))
    const asked = [waiting, state, events]
    for (const [what, end] of (await Promise.allSettled(asked)).entries()) {
      const name = ['result', 'state', 'events'][what] ?? ''
      const ending =
        end.status === 'fulfilled' ? 'read' : end.reason instanceof WarrenError ? end.reason.code : undefined
      if (ending === undefined && end.status === 'rejected') problems.push(`${name} of ${id}: ${textOf(end.reason)}`)
      endings.set(`${name}: ${ending}`, (endings.get(`${name}: ${ending}`) ?? 0) + 1)
    }
  }
  const neighbour = async (): Promise<void> => {
    const id = 'neighbour'
    await store.set(resultKey(id), NEIGHBOUR, 'EX', 60)
    const { n } = await warren.handle(task, id).result({ timeoutMs: 10_000 })
    if (n !== 7) problems.push(`a neighbour's result is ${n} instead of 7`)
  }
  await Promise.all([
    ...all.map(one),
    neighbour().catch((failed) => problems.push(`a neighbour was harmed: ${textOf(failed)}`)),
  ])
  warren.off('storeState', watch)
  return problems
}

async function write(store: Redis, id: string, { key, text, announced, entries }: FuzzResult): Promise<void> {
  const name = resultKey(id)
  for (const [field, value] of entries) await store.xadd(`warren-events-{${name}}`, '*', field, value, 'r', '1')
  if (key === 'text') await store.set(name, text, 'EX', 60)
  if (key === 'list') await store.rpush(name, text)
  if (key === 'hash') await store.hset(name, 'status', text)
  if (announced !== undefined) await store.publish(name, announced)
  await store.expire(name, 60)
  await store.expire(`warren-events-{${name}}`, 60)
}

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _event of events);
}

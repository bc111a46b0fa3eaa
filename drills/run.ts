/**
 * One drill from beginning to verdict:
 *
 *     whole cluster ─▶ load, until steady ─▶ fault … repair ─▶ normal rates ─▶ load ends ─▶ all accounted for ─▶ verdict
 *
 * A drill that throws has failed, and says with what. `DrillCluster.restore` repairs whatever it left behind.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { textOf } from 'warren'
import { type ProcessChange, waitFor } from '../cluster/index.js'
import { ResultReader } from './broker.js'
import { type Drill, type Evidence, type Sabotage, type Scene, SkippedError } from './drill.js'
import { DrillCluster } from './drillCluster.js'
import { Ledger, type LedgerCounts } from './ledger.js'
import { Load, type LoadPlan, type Sender } from './load.js'
import { persist } from './persist.js'
import { openNoConfirmsSender } from './sabotage/noConfirms.js'
import type { Target } from './target.js'
import { TcpProxy } from './tcpProxy.js'
import { type Chart, type Mark, QUEUE_KEYS, type QueueKey, Timeline } from './timeline.js'
import { judge, type Pauses, pauses, recovery, type Verdict } from './verdict.js'
import { openWarrenSender } from './warrenSender.js'

/** Within what two cores carry beside three nodes and four workers, with room to catch up. */
export const DEFAULT_LOAD: LoadPlan = { ratePerQueue: 100, taskMs: 10 }

/** Where an address names no port. */
const AMQP_PORT = 5672
const STEADY_TIMEOUT_MS = 20_000
/** How far apart tasks are sent that are to share packs. */
const BURST_MS = 100
/** How long normal rates are shown before the fault and after the recovery. */
const BEFORE_MS = 2_000
const AFTER_MS = 1_000
const RECOVERY_TIMEOUT_MS = 60_000
/** Longer than `send` may take to give up. */
const SENDS_TIMEOUT_MS = 45_000
/** How long the rest may take once the load has ended, counted anew whenever something moves. */
const SETTLE_TIMEOUT_MS = 30_000
/** A wait that lasts is told about, now and then. */
const QUIET_MS = 5_000
const SAY_EVERY_MS = 10_000
const SETTLE_MAX_MS = 150_000
const LEDGER_MS = 1_000

export interface DrillOutcome {
  readonly drill: Drill
  readonly verdict: Verdict
  readonly reasons: readonly string[]
  /** Facts in numbers that are worth knowing, and decide nothing. */
  readonly remarks: readonly string[]
  readonly startedAt: number
  readonly seconds: number
  readonly plan: LoadPlan
  readonly counts: LedgerCounts | undefined
  readonly pauses: Pauses | undefined
  /** From the repair (or the fault) until rates were normal; undefined: never, or not looked at. */
  readonly recoveryMs: number | undefined
  /** What the report draws: the ledger and the instants themselves are not kept beyond the drill. */
  readonly chart: Chart | undefined
  readonly marks: readonly Mark[]
}

export interface RunOptions {
  readonly target: Target
  readonly signal: AbortSignal
  readonly say: (line: string) => void
  readonly sabotage: Sabotage | undefined
  /** Tasks are sent in packs. */
  readonly packs?: boolean | undefined
  /** The ids of the drill before, which workers may still write of. Kept up by each drill. */
  readonly earlier: { ids: ReadonlySet<string> }
  /** Called each second with what is accounted for so far. */
  readonly onLedger?: ((counts: LedgerCounts) => void) | undefined
}

export async function runDrill(drill: Drill, options: RunOptions): Promise<DrillOutcome> {
  const startedAt = Date.now()
  const timeline = new Timeline(startedAt, ({ at, kind, text }) => {
    options.say(`  ${((at - startedAt) / 1000).toFixed(1).padStart(5)} s  ${kind === 'fault' ? 'FAULT  ' : ''}${text}`)
  })
  const plan = { ...DEFAULT_LOAD, ...drill.load, ...(options.packs === true ? { burstMs: BURST_MS } : {}) }
  const base = { drill, startedAt, plan, marks: timeline.marks }
  const none = { counts: undefined, pauses: undefined, recoveryMs: undefined, chart: undefined, remarks: [] }
  const lasted = () => (Date.now() - startedAt) / 1000
  try {
    const { evidence, surprises } = await perform(drill, plan, timeline, options)
    return {
      ...base,
      ...judge(drill, evidence, surprises),
      seconds: lasted(),
      counts: evidence.counts,
      pauses: pauses(evidence),
      recoveryMs: drill.recoverWithinMs === null ? undefined : recovery(evidence),
      remarks: drill.tell?.(evidence) ?? [],
      chart: timeline.chart(evidence.from, Date.now()),
    }
  } catch (problem) {
    options.signal.throwIfAborted()
    const verdict = problem instanceof SkippedError ? 'skipped' : 'failed'
    return { ...base, ...none, verdict, reasons: [textOf(problem)], seconds: lasted() }
  }
}

/** The outcome of a drill that cannot be run here: not passed. */
export function skipped(drill: Drill, reason: string): DrillOutcome {
  const startedAt = Date.now()
  return {
    ...{ drill, verdict: 'skipped', reasons: [reason], remarks: [], startedAt, seconds: 0 },
    ...{ plan: { ...DEFAULT_LOAD, ...drill.load }, counts: undefined, pauses: undefined, recoveryMs: undefined },
    ...{ chart: undefined, marks: [] },
  }
}

async function perform(
  drill: Drill,
  plan: LoadPlan,
  timeline: Timeline,
  { target, signal, say, sabotage, earlier, onLedger }: RunOptions,
): Promise<{ evidence: Evidence; surprises: string[] }> {
  timeline.mark('phase', 'Waiting for a healthy cluster with empty queues')
  await target.restore(signal)

  const ledger = new Ledger(earlier.ids)
  const surprises: string[] = []
  const expectedEnds = new Set<string>()
  const onProcess = (change: ProcessChange) => watch(change, timeline, expectedEnds, surprises)
  const undo: (() => unknown)[] = []
  if (onLedger !== undefined) {
    // Nothing counts as lost before the end: what is not accounted for may be in its queue.
    const timer = setInterval(() => onLedger(ledger.counts(new Set(QUEUE_KEYS))), LEDGER_MS)
    undo.push(() => clearInterval(timer))
  }
  try {
    undo.push(
      target.followWorkers((line) => {
        const queue = ledger.worker(line)
        if (queue !== undefined) timeline.count('finished', queue, line.at)
      }),
    )
    const through = new URL(target.senderUrl)
    const proxy = drill.throughProxy
      ? await TcpProxy.open({ host: through.hostname, port: Number(through.port || AMQP_PORT) })
      : undefined
    undo.push(() => proxy?.close())
    const sender = await openSender(drill, proxy?.urlFor(through.href) ?? through.href, { timeline, sabotage, plan })
    undo.push(() => sender.close())
    const load = new Load(plan, sender, ledger, timeline)
    undo.push(() => load.stop())
    const marks: { faultAt?: number; repairAt?: number } = {}
    const numbers = new Map<string, number>()
    const scene: Scene = {
      get drillCluster() {
        if (target instanceof DrillCluster) return target
        throw new SkippedError('it needs a cluster whose processes it can control')
      },
      ...{ load, ledger, timeline, signal, proxy, sabotage, numbers },
      defer: (step) => {
        undo.push(step)
      },
      mark: (kind, text) => {
        const at = Date.now()
        if (kind === 'fault') marks.faultAt ??= at
        if (kind === 'repair') marks.repairAt = at
        timeline.mark(kind, text, at)
      },
      hold: (ms) => delay(ms, undefined, { signal }),
      until: (what, fact, timeoutMs) => waitFor(what, async () => fact(), { timeoutMs, signal }),
      takeDeadLetters: () => takeDeadLettersOf(target, ledger, signal),
      expectEnd: (...names) => {
        for (const name of names) expectedEnds.add(name)
      },
    }
    await drill.prepare?.(scene)

    undo.push(target.onProcess(onProcess))
    timeline.mark('phase', `Load: ${plan.ratePerQueue} messages a second on each queue, ${plan.taskMs} ms of work each`)
    const from = Date.now()
    load.start()
    if (drill.recoverWithinMs !== null) {
      await scene.until('a steady load', () => timeline.short(plan.ratePerQueue, Date.now() - 500), STEADY_TIMEOUT_MS)
    }
    await scene.hold(BEFORE_MS)
    // A fault that could not be carried out has failed the drill; the ledger has something to say all the same.
    const problem = await drill.fault(scene).catch((error: unknown) => ({ error }))
    signal.throwIfAborted()
    if (problem?.error instanceof SkippedError) throw problem.error
    if (problem !== undefined) surprises.push(textOf(problem.error))
    if (problem === undefined && drill.recoverWithinMs !== null) {
      const since = marks.repairAt ?? marks.faultAt ?? from
      // What workers finished is read a little later than it happened.
      const normal = () =>
        timeline.recoveredAfter(plan.ratePerQueue, since, Date.now() - 500) === undefined
          ? (timeline.short(plan.ratePerQueue, Date.now() - 500) ?? 'not for two seconds yet')
          : undefined
      // A drill whose rates never recover goes on to its verdict: the ledger may have more to say.
      await scene.until('normal rates', normal, RECOVERY_TIMEOUT_MS).catch(() => signal.throwIfAborted())
    }
    await scene.hold(AFTER_MS)
    load.stop()
    const to = Date.now()
    timeline.mark('phase', 'Load ends; waiting until every message is accounted for')
    const holding = await settle(target, ledger, signal, say).catch((error: unknown) => {
      signal.throwIfAborted()
      surprises.push(textOf(error))
      return new Set(QUEUE_KEYS)
    })
    target.readWorkers()
    const counts = ledger.counts(holding)
    return {
      evidence: {
        ...{ counts, ledger, timeline, plan, from, to, numbers },
        ...{ faultAt: marks.faultAt, repairAt: marks.repairAt },
      },
      surprises,
    }
  } finally {
    earlier.ids = ledger.ids()
    for (const step of undo.reverse()) await step()
  }
}

interface Sending {
  readonly timeline: Timeline
  readonly sabotage: Sabotage | undefined
  readonly plan: LoadPlan
}

function openSender(drill: Drill, broker: string, { timeline, sabotage, plan }: Sending): Promise<Sender> {
  if (sabotage === 'no-confirms') return openNoConfirmsSender(broker)
  const { heartbeatSeconds } = drill
  const heartbeat = heartbeatSeconds === undefined ? {} : { heartbeatSeconds }
  return openWarrenSender({ broker, packs: plan.burstMs !== undefined, ...heartbeat }, timeline)
}

/** What becomes of processes, in words. One that ends without being asked to is a surprise, and the drill has failed. */
function watch(change: ProcessChange, timeline: Timeline, expected: Set<string>, surprises: string[]): void {
  const { name, state, detail } = change
  if (state === 'running') timeline.mark('seen', `${name} is ready`)
  if (state !== 'exited' && state !== 'restarting') return
  const why = detail?.split('\n')[0] ?? 'for an unknown reason'
  timeline.mark('seen', `${name} ended by itself: ${why}`)
  if (!expected.has(name)) surprises.push(`${name} ended by itself: ${why}`)
}

async function takeDeadLettersOf(target: Target, ledger: Ledger, signal: AbortSignal): Promise<void> {
  // Into the ledger one by one: what was taken out of its queue must not be forgotten when a connection breaks.
  await persist(
    'reading dead letters',
    () =>
      target.takeDeadLetters(
        (id) => ledger.knows(id),
        ({ id, queue, reason }) => ledger.deadLettered(id, queue, reason),
      ),
    signal,
  )
}

/** Waits until every confirmed message is stored or dead-lettered. Returns the queues that still hold something. */
async function settle(
  target: Target,
  ledger: Ledger,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Set<QueueKey>> {
  const wait = { timeoutMs: SENDS_TIMEOUT_MS, signal }
  const ended = async () => (ledger.open === 0 ? undefined : `${ledger.open} sends have not ended`)
  await waitFor('the end of all sends', ended, wait).catch(() => signal.throwIfAborted())
  const results = new ResultReader(target.resultsUrl)
  const started = Date.now()
  let left = Number.POSITIVE_INFINITY
  let movedAt = Date.now()
  let saidAt = 0
  try {
    for (let last = false; ; ) {
      signal.throwIfAborted()
      // Dead letters first: reading many takes time, in which results are stored.
      await takeDeadLettersOf(target, ledger, signal)
      const read = () => results.successes(ledger.unaccounted(), (id) => ledger.stored(id))
      await persist('reading the result store', read, signal)
      const now = [...ledger.unaccounted()].length
      if (now === 0 || last) break
      if (now < left) movedAt = Date.now()
      left = now
      const stuckMs = Date.now() - movedAt
      // One more look after time is up, so that nothing is called lost on an old one.
      last = stuckMs > SETTLE_TIMEOUT_MS || Date.now() - started > SETTLE_MAX_MS
      if (stuckMs > QUIET_MS && Date.now() - saidAt > SAY_EVERY_MS) {
        saidAt = Date.now()
        say(`         ${now} messages are not accounted for yet`)
      }
      await delay(stuckMs > QUIET_MS ? 2_000 : 300, undefined, { signal })
    }
    return await persist('looking into the queues', () => target.holding(), signal)
  } finally {
    results.close()
  }
}

/** `warren.flows`: starting flows, and finding them again. */
import { randomUUID } from 'node:crypto'
import type { Connection } from '../amqp/connection.js'
import type { Control } from '../control/control.js'
import { InputError, NoResultStoreError, OptionsError, textOf, UnconfirmedError } from '../errors/index.js'
import type { WarrenEvents } from '../observe/events.js'
import { is, settleOptions } from '../options.js'
import type { Results } from '../results/store.js'
import { checkAsSent } from '../task/check.js'
import type { Clock } from '../time/clock.js'
import type { DelayRoutes } from '../time/delayRoutes.js'
import { ensureTokenQueue } from '../time/ticksQueue.js'
import type { Publish } from '../time/tokenMail.js'
import { pause } from '../timers.js'
import { FLOW_ID } from '../wire/flowMark.js'
import { FLOWS_QUEUE } from '../wire/names.js'
import { CanvasSettling } from './canvasSettling.js'
import { checkFlowId, FlowHandle } from './flowHandle.js'
import { FlowMail } from './flowMail.js'
import { FlowSettling } from './flowSettling.js'
import { digestOf, FlowStore } from './flowStore.js'
import { FlowWatch, nextVisitMs } from './flowWatch.js'
import { type AnyPart, checkParts, type FlowPart } from './parts.js'
import { planOf } from './plan.js'

export interface FlowOptions {
  /**
   * The flow's id. Default: a random UUID. Started again under the same id, the same flow is not started twice: its handle
   * is returned. 1 to 190 letters, digits, `_`, `.`, `:` and `-`.
   */
  readonly id?: string | undefined
  /**
   * What a member that does not succeed means. `fail`: the flow ends, and the others are cancelled. `continue`: the rest
   * of its chain is not run, and a group has null in its place. Default `fail`.
   */
  readonly onFailure?: 'fail' | 'continue' | undefined
  /** How long the flow may take in all, in milliseconds; then it ends as failed (`deadline`). Default one day. */
  readonly deadlineMs?: number | undefined
}

export interface FlowsDependencies {
  /** Undefined: everything that is asked throws `NoResultStoreError`. */
  readonly results: Results | undefined
  readonly control: Control
  readonly vhost: string
  readonly clock: Clock
  readonly routes: DelayRoutes
  readonly connection: Connection
  readonly producer: { readonly publish: Publish }
  /** Where the ends of flows that are started here are announced. */
  readonly replyTo: string
  readonly confirmTimeoutMs: number
  readonly maxMessageBytes: number
  readonly tell: <Event extends 'flowStarted' | 'flowEnded'>(event: Event, value: WarrenEvents[Event][0]) => void
}

/** What settles the members of flows, and looks after them. */
export interface FlowWorks {
  readonly store: FlowStore
  readonly mail: FlowMail
  readonly settling: FlowSettling
  readonly watch: FlowWatch
}

const DAY_MS = 24 * 60 * 60 * 1000
const START_CHECKS = {
  id: is.text,
  onFailure: is.oneOf('fail', 'continue'),
  deadlineMs: is.integer(1_000, 366 * DAY_MS),
}
export const FLOW_DEFAULTS = { onFailure: 'fail' as const, deadlineMs: DAY_MS }
const CONNECTION_LOOK_MS = 50

type Step = Extract<AnyPart, { readonly kind: 'step' }>

export class Flows {
  readonly #dependencies: FlowsDependencies
  #works: FlowWorks | undefined

  /** Does no I/O. */
  constructor(dependencies: FlowsDependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Starts a flow, and resolves when its first steps are confirmed. Everything is checked before anything is sent. Throws
   * `OptionsError`, `InputError`, `FlowTooLargeError`, `NoResultStoreError`, `StoreUnreachableError`, `StoreRefusesError`,
   * `DelaysMissingError`, `AccessRefusedError`, `UnconfirmedError`; a first step that cannot be sent ends the flow.
   */
  async start<Output>(
    part: FlowPart<unknown, unknown, Output>,
    options: FlowOptions = {},
  ): Promise<FlowHandle<Output>> {
    const {
      id = randomUUID(),
      onFailure,
      deadlineMs,
    } = settleOptions('flows.start', options, START_CHECKS, FLOW_DEFAULTS)
    checkFlowId('flows.start: id', id, FLOW_ID)
    checkParts('flows.start', [part])
    const { clock, replyTo, tell } = this.#dependencies
    const { store, settling, mail } = this.#own
    await checkInputs(part, false)
    const plan = planOf(part, inputJson)
    await this.#ready(id)
    const startedAt = Math.floor(clock.now())
    const deadline = startedAt + deadlineMs
    const handle = new FlowHandle<Output>(id, this.#own, part)
    const before = await store.begin(id, plan, { rule: onFailure, startedAt, deadline, reply: replyTo })
    if (before !== undefined) {
      if (before.digest === digestOf(plan, onFailure)) return handle
      throw new OptionsError('flows.start', [`expected an id of its own: there is another flow under ${id}`])
    }
    tell('flowStarted', { flow: id, steps: plan.nodes.filter(({ task }) => task !== undefined).length })
    try {
      // Before the first step: from here on the flow ends, whoever dies.
      await mail.passOn({ flow: id, visit: 0, startedAt, deadline, reply: replyTo, seen: [], sent: 0 }, nextVisitMs(0))
      await settling.sendAll(id, plan.roots)
    } catch (error) {
      const end = {
        at: Math.floor(clock.now()),
        reason: 'unsendable',
        text: `it could not be started: ${textOf(error)}`,
      }
      await settling.end(id, 'failed', end).catch(() => undefined)
      throw error
    }
    return handle
  }

  /** The handle of a flow that was started before, by this process or another. Throws `OptionsError`, `NoResultStoreError`. */
  handle(id: string): FlowHandle {
    checkFlowId('flows.handle', id, FLOW_ID)
    return new FlowHandle(id, this.#own)
  }

  /** For a worker, who publishes by itself. Undefined without a store. */
  worksOf(publish: Publish): FlowWorks | undefined {
    const { results } = this.#dependencies
    return results === undefined ? undefined : this.#make(results, publish)
  }

  /** What carries on Celery's canvas, for a worker. */
  canvasOf(publish: Publish): CanvasSettling {
    const { results, clock, confirmTimeoutMs, maxMessageBytes } = this.#dependencies
    return new CanvasSettling({ publish, results, clock, confirmTimeoutMs, maxMessageBytes })
  }

  get #own(): FlowWorks {
    const { results, producer } = this.#dependencies
    if (results === undefined) throw new NoResultStoreError()
    this.#works ??= this.#make(results, (publication) => producer.publish(publication))
    return this.#works
  }

  #make(results: Results, publish: Publish): FlowWorks {
    const { control, vhost, clock, routes, confirmTimeoutMs, maxMessageBytes, tell } = this.#dependencies
    const store = new FlowStore(results, vhost)
    const mail = new FlowMail({ publish, routes, clock, confirmTimeoutMs, maxMessageBytes })
    const cancelTag = (tag: string): Promise<unknown> => control.cancel({ tag })
    const settling = new FlowSettling({ store, mail, clock, cancelTag, onEnd: (event) => tell('flowEnded', event) })
    const isTaken = (task: string): Promise<boolean> => routes.isTakenNow(task)
    return { store, mail, settling, watch: new FlowWatch({ store, mail, settling, clock, isTaken }) }
  }

  /** The queue of tokens is there. */
  async #ready(id: string): Promise<void> {
    const { connection, confirmTimeoutMs } = this.#dependencies
    const endsAt = performance.now() + confirmTimeoutMs
    for (;;) {
      const { model } = connection
      if (model !== undefined) {
        try {
          return await ensureTokenQueue(model, FLOWS_QUEUE)
        } catch (error) {
          // Else the connection was lost meanwhile.
          if (connection.model === model) throw error
        }
      }
      if (performance.now() >= endsAt || connection.state === 'closed') {
        throw new UnconfirmedError(id, confirmTimeoutMs, false, 'no connection to the broker')
      }
      await pause(CONNECTION_LOOK_MS)
    }
  }
}

/** A step's own input is checked as `send` does; one that takes a result, when it is run. */
async function checkInputs(part: AnyPart, follows: boolean): Promise<void> {
  if (part.kind === 'chain') {
    for (const [at, each] of part.parts.entries()) await checkInputs(each, follows || at > 0)
    return
  }
  if (part.kind === 'group') {
    for (const each of part.parts) await checkInputs(each, follows)
    return
  }
  if (part.kind === 'graph') {
    // What it takes of others is checked when it is run.
    for (const { part: each, takes } of part.steps) {
      await checkInputs(takes.length === 0 ? each : { ...each, from: { takes: [] } }, true)
    }
    return
  }
  const { task, input, from } = part
  if (task.order !== undefined) {
    throw new OptionsError(`step(${task.name})`, [
      'expected a task without `order`: the steps of a flow have their own',
    ])
  }
  if (from !== 'own') {
    if (follows) return
    const needs = 'expected a first step to be given its input: no step before it has a result'
    throw new OptionsError(`step(${task.name})`, [needs])
  }
  const checking = checkAsSent(task.input, input)
  const checked = checking instanceof Promise ? await checking : checking
  if (checked.issues !== undefined) throw new InputError(task.name, checked.issues)
}

function inputJson({ task, input, from }: Step): string | undefined {
  if (from === 'whole') return undefined
  let problem = 'got a value that it leaves out'
  try {
    const text = JSON.stringify(input) as string | undefined
    if (text !== undefined) return text
  } catch (error) {
    problem = textOf(error)
  }
  throw new InputError(task.name, [{ path: '', message: `expected a value that JSON can carry; ${problem}` }])
}

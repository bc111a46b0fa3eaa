/**
 * What the attempts of each task are made with. A task with a limit has a gate more; so a task without one costs nothing.
 * Limits may be set for any task while the worker runs.
 */
import { LimitKeys } from '../control/limitKeys.js'
import { limitField } from '../control/limits.js'
import type { ReportProblem } from '../observe/contained.js'
import type { Results } from '../results/store.js'
import type { Logger } from '../task/logger.js'
import type { AttemptDependencies, RegisteredHandler } from './attempt.js'
import type { DeliveryQueue } from './delivery.js'
import type { Gate } from './gate.js'
import { type GateDependencies, gatesOf, withLimit } from './gates.js'
import { LimitGate, type LimitGateOptions } from './limitGate.js'

export interface RegistrationsOptions
  extends GateDependencies,
    Pick<LimitGateOptions, 'free' | 'onLimited' | 'startTimer'> {
  readonly results: Results | undefined
  readonly log: Logger
  readonly report: ReportProblem
  /** By task name. */
  readonly handlers: ReadonlyMap<string, RegisteredHandler>
  /** Cancels a task that runs, where there is a store. */
  readonly cancel?: LimitGateOptions['cancel'] | undefined
}

export class Registrations {
  readonly #options: RegistrationsOptions
  readonly #gates: readonly Gate[]
  /** By task name. */
  readonly #made = new Map<string, AttemptDependencies>()
  readonly #limits = new Map<string, LimitGate>()
  readonly #stopListening: (() => void) | undefined
  #seen = 0

  constructor(options: RegistrationsOptions) {
    this.#options = options
    this.#gates = gatesOf(options)
    this.#stopListening = options.control?.onChange(() => this.#look())
  }

  of({ task }: DeliveryQueue): AttemptDependencies {
    const known = this.#made.get(task)
    if (known !== undefined) return known
    const { handlers, results, log, report } = this.#options
    // Consumers are made from the handlers, so that each queue's task has one.
    const registered = handlers.get(task) as RegisteredHandler
    const made = { registered, results, log, report, gates: this.#gatesOf(registered) }
    this.#made.set(task, made)
    return made
  }

  /** A place among the handlers may be free. */
  placeFree(): void {
    if (this.#limits.size > 0) for (const limit of this.#limits.values()) limit.look()
  }

  close(): void {
    this.#stopListening?.()
    for (const gate of [...this.#gates, ...this.#limits.values()]) gate.close?.()
  }

  #gatesOf({ task }: RegisteredHandler): readonly Gate[] {
    const { results, control, clock, free, onLimited, cancel, startTimer } = this.#options
    if (results === undefined || control === undefined || cancel === undefined) return this.#gates
    let gate = this.#limits.get(task.name)
    if (gate === undefined) {
      if (task.limit === undefined && !this.#isSet(task.name)) return this.#gates
      const keys = new LimitKeys(results, control.vhost)
      gate = new LimitGate(task, { keys, control, results, clock, cancel, free, onLimited, startTimer })
      this.#limits.set(task.name, gate)
    }
    return withLimit(this.#gates, gate)
  }

  #isSet(task: string): boolean {
    const prefix = limitField(task, '')
    const fields = [...(this.#options.control?.board.limits.keys() ?? [])]
    return fields.some((field) => field === task || field.startsWith(prefix))
  }

  /** Makes anew what may need another gate now. */
  #look(): void {
    const { limitChanges = 0 } = this.#options.control?.board ?? {}
    if (limitChanges === this.#seen) return
    this.#seen = limitChanges
    this.#made.clear()
  }
}

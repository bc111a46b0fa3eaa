/**
 * What a worker holds, and what runs next. A delivery waits until it is due, then until there is a place among the
 * handlers, at most `concurrency` of them; one that may kill workers waits until nothing else runs.
 *
 *     received ─▶ not due: waiting room ─▶ ready ─▶ running ─▶ settling
 *                                       └▶ quarantine ─▶ running, alone
 *
 * The lists here are views: whether a delivery is still ours, it says itself.
 */
import type { QueueDeclaration } from '../amqp/declare.js'
import { isSuspect } from '../wire/redelivery.js'
import { Attempt } from './attempt.js'
import type { AttemptReports } from './attemptReports.js'
import type { Consumer } from './consumer.js'
import { type Delivery, type DeliveryQueue, queueOf } from './delivery.js'
import { Intake } from './intake.js'
import { staysHere } from './ordered.js'
import type { Pack } from './pack.js'
import type { Packs } from './packs.js'
import { Pauses } from './pauses.js'
import { Quarantine } from './quarantine.js'
import { Ready } from './ready.js'
import { Registrations, type RegistrationsOptions } from './registrations.js'
import { Room } from './room.js'
import type { Settler } from './settler.js'
import { Solitude } from './solitude.js'
import { Stuck } from './stuck.js'
import { WaitingRoom } from './waitingRoom.js'

export interface DispatcherOptions extends Omit<RegistrationsOptions, 'free' | 'onLimited'> {
  readonly concurrency: number
  /** The prefetch of each consumer where the user has fixed it. */
  readonly prefetch: number | undefined
  readonly settler: Settler
  readonly packs: Packs
  readonly reports: AttemptReports
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #consumers: Consumer[] = []
  readonly #intake: Intake
  readonly #room: Room
  readonly #waitingRoom: WaitingRoom
  readonly #quarantine: Quarantine
  readonly #solitude: Solitude
  readonly #pauses: Pauses
  readonly #registrations: Registrations
  /** Due and not started, oldest first. */
  readonly #ready = new Ready()
  readonly #active = new Set<Attempt>()
  readonly #stuck = new Stuck()
  #running = 0
  #stopping = false
  #idle: (() => void) | undefined

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { concurrency, prefetch, results, control, clock, settler, reports } = options
    this.#intake = new Intake({
      ...{ concurrency, fixed: prefetch, active: this.#active },
      onCancelled: (which) => this.#giveBack(which),
      spent: (queue) => (this.#active.size + this.#ready.held < concurrency ? options.packs.spent(queue) : 0),
      onLook: () => this.#look(),
    })
    const dispatcher = this
    this.#room = new Room(concurrency, {
      get running() {
        return dispatcher.#running
      },
      get waiting() {
        return dispatcher.#ready.held
      },
      expectedMs: () => this.#intake.expectedMs(),
      tasksPerMessage: (consumer) => this.#intake.tasksPerMessage(consumer),
      newest: (count) => this.#ready.newest(count),
    })
    this.#quarantine = new Quarantine(results)
    this.#solitude = new Solitude({
      ...{ quarantine: this.#quarantine, consumers: this.#consumers, stopping: () => this.#stopping },
      giveBack: (which) => this.#giveBack(which),
      attempt: (suspect) => this.#attempt(suspect),
      onOver: () => this.#pump(),
    })
    this.#registrations = new Registrations({
      ...options,
      free: () => (this.#solitude.alone ? 0 : concurrency - this.#running - this.#ready.length),
      onLimited: (attempt, limited) => reports.limited(attempt, limited),
    })
    this.#pauses = new Pauses({
      control,
      take: (which) => [...this.#ready.take(which), ...this.#quarantine.remove(which)],
      onResumed: (delivery) => this.#due(delivery),
    })
    this.#waitingRoom = new WaitingRoom({
      clock,
      postpone: (delivery, due) => settler.postpone(delivery, due),
      onDelayed: (delivery, error) => reports.postponed(delivery, error),
      onDue: (delivery) => this.#due(delivery),
      onTurn: (delivery) => this.#due(delivery, true),
      onHeld: ({ queue }, held) => (held ? this.#intake.park(queue) : this.#intake.unpark(queue)),
    })
  }

  get running(): number {
    return this.#running
  }

  /** How many deliveries the worker holds: waiting, running and settling. */
  get held(): number {
    const elsewhere = [this.#quarantine, this.#waitingRoom, this.#pauses, this.#active, this.#options.packs]
    return elsewhere.reduce((sum, { size }) => sum + size, this.#ready.held)
  }

  /** For those who look: what runs, what may start, and what waits until it is due. */
  inventory = () => ({ active: [...this.#active], ready: this.#ready.list, waiting: this.#waitingRoom.deliveries })

  /** The prefetch with which a consumer begins, one of `queues`. */
  initialPrefetch(declaration: QueueDeclaration, queues: number): number {
    return Math.ceil(this.#intake.initial(queues) / this.#tasksPerMessage(queueOf(declaration)))
  }

  /** How many tasks a message of a queue may carry. */
  #tasksPerMessage({ task }: DeliveryQueue): number {
    return this.#options.handlers.get(task)?.task.pack?.maxTasks ?? 1
  }

  add(consumer: Consumer): void {
    this.#consumers.push(consumer)
    this.#pauses.add(consumer)
    if (consumer.queue.priority !== undefined) this.#ready.pickByPriority()
    if (consumer.queue.ordered !== true) {
      this.#intake.add(consumer, this.#tasksPerMessage(consumer.queue))
      if (this.#options.prefetch === undefined) this.#room.add(consumer)
    }
    consumer.on('delivery', (delivery) => this.#receive(delivery))
    consumer.on('pack', (pack) => this.#open(pack))
    consumer.on('state', ({ state }) => {
      if (state === 'waiting') this.#prune()
      if (state === 'consuming') this.#room.update()
    })
  }

  /** Before the consumers start. */
  async prepare(): Promise<void> {
    this.#room.prepare()
    await this.#pauses.begin()
  }

  /** Why a queue is paused; undefined for one that is not. */
  pauseOf(queue: string): string | undefined {
    return this.#pauses.reasonOf(queue)
  }

  /** To be awaited before a delivery is acknowledged. */
  beforeAck(delivery: Delivery): Promise<unknown> | undefined {
    const { queue } = delivery
    if (queue.ordered !== true) return this.#room.beforeAck(delivery)
    return this.#consumers.find((consumer) => consumer.queue === queue)?.beforeAck()
  }

  /** What keeps messages from being settled until somebody acts, in a sentence each. */
  get problems(): readonly string[] {
    return this.#stuck.problems
  }

  /** The attempt waits for the store or the broker: its queue may bring another message in its place. */
  stuck(attempt: Attempt, error: unknown): void {
    if (this.#stuck.add(attempt, error)) this.#intake.park(attempt.delivery.queue)
  }

  /** Starts nothing new, and gives back everything that has not started. */
  stop(): void {
    this.#stopping = true
    this.#room.close()
    this.#pauses.stop()
    this.#waitingRoom.giveBackAll()
    for (const delivery of [...this.#ready.take(() => true), ...this.#quarantine.remove(() => true)])
      delivery.giveBack()
  }

  /** Resolves when nothing runs or is being settled. `release` ends the wait for what does. */
  async untilIdle(): Promise<void> {
    if (this.#active.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    await this.#options.packs.untilIdle()
  }

  /** Gives back what still runs, and aborts it. */
  release(reason: unknown): void {
    this.#options.packs.close()
    for (const attempt of [...this.#active]) attempt.delivery.giveBack(reason)
    this.#intake.stop()
    this.#registrations.close()
    this.#idle?.()
  }

  #open(pack: Pack): void {
    if (this.#stopping) pack.giveBack()
    else for (const member of this.#options.packs.take(pack)) this.#receive(member)
  }

  #look(): void {
    if (this.#options.packs.any) this.#giveBack(this.#options.packs.isSlow)
    this.#room.update()
  }

  #receive(delivery: Delivery): void {
    if (this.#stopping) return void delivery.giveBack()
    this.#options.duplicates.lookUp(delivery)
    if (!this.#waitingRoom.takes(delivery)) this.#due(delivery)
  }

  /** `first`: before the others that wait. */
  #due(delivery: Delivery, first = false): void {
    if (this.#pauses.takes(delivery)) return
    if (isSuspect(delivery.message, delivery.queue.type)) {
      this.#solitude.add(delivery)
    } else this.#ready.add(delivery, first)
    this.#pump()
    this.#room.update()
  }

  /** Starts what may start: first the unsuspected, `concurrency` at a time, then each suspect alone. */
  #pump(): void {
    if (this.#stopping) return
    while (this.#running < this.#options.concurrency && !this.#solitude.alone) {
      const delivery = this.#ready.next()
      if (delivery === undefined) break
      if (delivery.held) void this.#attempt(delivery)
    }
    if (this.#quarantine.size > 0 && this.#active.size === 0) void this.#solitude.runNext()
    this.#registrations.placeFree()
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const { settler, reports } = this.#options
    const attempt = new Attempt(delivery, this.#registrations.of(delivery.queue))
    this.#active.add(attempt)
    this.#running++
    this.#intake.started()
    reports.started(attempt)
    const outcome = await attempt.run()
    // The next handler starts while this one's outcome is being settled; the prefetch bounds how many may pile up.
    this.#running--
    reports.finished(attempt, outcome)
    const stays = staysHere(attempt, outcome, this.#options)
    if (stays !== undefined) return this.#keep(attempt, stays)
    this.#intake.finished(delivery.queue, attempt.durationMs)
    this.#pump()
    // Until its copy is confirmed. A flood of such messages must not hold up the others behind it.
    if (outcome.kind === 'postponed') this.stuck(attempt, undefined)
    const finishedAt = performance.now()
    const { outcome: final, settled } = await settler.settle(attempt, outcome)
    if (this.#stuck.remove(attempt)) this.#intake.unpark(delivery.queue)
    attempt.leave(final, settled)
    reports.settled(attempt, final, settled, performance.now() - finishedAt)
    this.#ended(attempt)
  }

  /** It is not to be run yet. */
  #keep(attempt: Attempt, stays: { readonly until: Promise<unknown> }): void {
    attempt.leave({ kind: 'returned' }, 'returned')
    if (this.#stopping) attempt.delivery.giveBack()
    else void this.#waitingRoom.keep(attempt.delivery, stays)
    this.#pump()
    this.#ended(attempt)
  }

  #ended(attempt: Attempt): void {
    this.#active.delete(attempt)
    this.#room.update()
    if (this.#active.size > 0) return
    this.#idle?.()
    if (this.#quarantine.size > 0) this.#pump()
  }

  /** Requeues what has not started. */
  #giveBack(which: (delivery: Delivery) => boolean): void {
    for (const delivery of this.#ready.take(which)) delivery.giveBack()
  }

  /** A channel died: what it delivered is RabbitMQ's again. */
  #prune(): void {
    this.#ready.prune()
    this.#quarantine.prune()
    this.#pauses.prune()
    this.#waitingRoom.prune()
    this.#solitude.resume()
  }
}

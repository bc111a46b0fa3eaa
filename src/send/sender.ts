/** `send`: one task, from the caller's input to the broker's confirm. */
import { randomUUID } from 'node:crypto'
import type { Context } from '@opentelemetry/api'
import type { Broker } from '../amqp/broker.js'
import type { Control } from '../control/control.js'
import { areTags } from '../control/tags.js'
import { settleUnique, type Unique, type UniqueOptions } from '../control/uniqueOptions.js'
import { ClosedError, InputError, NoResultStoreError, OptionsError, PayloadTooLargeError } from '../errors/index.js'
import { sendersContext, sendTraced } from '../observe/messagingSpans.js'
import { traceHeaders } from '../observe/tracing.js'
import { is, settleOptions } from '../options.js'
import type { Results } from '../results/store.js'
import { checkAsSent } from '../task/check.js'
import { type Lanes, laneFor, type Priority, type SentTask } from '../task/lanes.js'
import type { TaskPack } from '../task/pack.js'
import { checkTask, type Task } from '../task/task.js'
import { type Encoded, encode } from '../wire/envelope.js'
import { commandsExchange, domainOf, headers } from '../wire/names.js'
import { newOnce } from '../wire/once.js'
import type { StoredResult } from '../wire/resultFormat.js'
import { encodeUniqueMark } from '../wire/uniqueMark.js'
import { publishAhead } from './ahead.js'
import { type AllEvents, type AllEventsOptions, allEvents } from './allEvents.js'
import { answered } from './answered.js'
import { DELAY_CHECKS, type Delayed, dueIn } from './delayed.js'
import { type EventsOptions, eventsOf, Handle, type HandleOptions, stateOf, type TaskEvents } from './handle.js'
import { isInNoQueue } from './inNoQueue.js'
import { hasLanes, inLane, preparedKey } from './lane.js'
import type { Publication } from './outgoing.js'
import { Packer } from './packer.js'
import { readPrepared } from './prepared.js'
import type { Producer } from './producer.js'

export interface SendOptions {
  /** The task id. Default: a random UUID. An id that is sent twice runs twice, unless the first has succeeded by then. */
  readonly id?: string | undefined
  /** Overrides `confirmTimeoutMs` of `connect()`. Any length, or `Infinity`. */
  readonly confirmTimeoutMs?: number | undefined
  /** The task does not run after this time: it is dead-lettered instead. For a delayed task, this is checked when it is due. */
  readonly expires?: Date | undefined
  /** Tags by which the task can be cancelled, together with others. At most 16, each of 1 to 200 bytes. */
  readonly tags?: readonly string[] | undefined
  /** The task does not run before this many milliseconds have passed; any length up to the year 9999. 0 means at once. */
  readonly delayMs?: number | undefined
  /** The task does not run before this time, in the years 1 to 9999; the past means at once. Not with `delayMs`. */
  readonly at?: Date | undefined
  /** A key that only one task of the same name can hold at a time. Needs a result store. */
  readonly unique?: UniqueOptions | undefined
  /** For a task that is defined with `priority: true`. Default `normal`. */
  readonly priority?: Priority | undefined
}

export interface PublishPreparedOptions {
  /** Overrides `confirmTimeoutMs` of `connect()`. Any length, or `Infinity`. */
  readonly confirmTimeoutMs?: number | undefined
}

const PUBLISH_PREPARED_CHECKS = { confirmTimeoutMs: is.duration(1, { forever: true }) }

const SEND_CHECKS = {
  id: is.text,
  confirmTimeoutMs: is.duration(1, { forever: true }),
  expires: is.date,
  tags: areTags,
  ...DELAY_CHECKS,
  unique: is.record,
  priority: is.oneOf('high', 'normal', 'low'),
}

/** Checks the arguments of `handle`. Throws an `OptionsError`. */
export function checkHandled(task: unknown, id: unknown): void {
  checkTask('handle', task)
  checkId('handle', id)
}

function checkId(where: string, id: unknown): void {
  if (is.text(id) !== undefined) throw new OptionsError(where, ['expected the id to be a non-empty string'])
}

const NO_OPTIONS: SendOptions = Object.freeze({})

export interface SenderOptions {
  readonly producer: Producer
  readonly delayed: Delayed
  readonly results: Results | undefined
  /** The broker's properties, while connected. */
  readonly broker?: (() => Broker | undefined) | undefined
  /** Cancelling; only with a store. */
  readonly control?: Control | undefined
  /** The channel on which results of tasks sent here are announced; undefined without a store. */
  readonly replyTo: string | undefined
  readonly confirmTimeoutMs: number
  readonly maxMessageBytes: number
  /** Whether tasks that are defined so share messages. Left out: every task has a message of its own. */
  readonly packs?: boolean
}

/** One send with all its parameters decided. */
interface Sending {
  readonly id: string
  readonly run: number
  readonly options: SendOptions
  readonly due: Date | undefined
  readonly limitMs: number
  readonly lanes: Lanes | undefined
}

export class Sender {
  readonly #options: SenderOptions
  readonly #packer: Packer | undefined
  #closed = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#packer = options.packs === true ? new Packer(options.producer, options.maxMessageBytes) : undefined
  }

  /** Resolves with the task's handle once the broker has confirmed the message. */
  async send<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    input: Input,
    given: SendOptions = NO_OPTIONS,
  ): Promise<Handle<Output>> {
    if (this.#closed) throw new ClosedError('The connection')
    // Most sends have no options, and checking them would cost time.
    const options = given === NO_OPTIONS ? given : settleOptions('send', given, SEND_CHECKS, {})
    checkTask('send', task)
    const { delayed } = this.#options
    const due = options.delayMs === undefined && options.at === undefined ? undefined : dueIn(options, delayed.clock)
    const unique = options.unique === undefined ? undefined : settleUnique('send: unique', options.unique)
    const id = options.id ?? randomUUID()
    const limitMs = options.confirmTimeoutMs ?? this.#options.confirmTimeoutMs
    const checking = checkAsSent(task.input, input)
    // Most schemas are synchronous, and an extra turn for each task would cost time.
    const checked = checking instanceof Promise ? await answered(checking, id, limitMs) : checking
    if (checked.issues !== undefined) throw new InputError(task.name, checked.issues)
    if (this.#closed) throw new ClosedError('The connection')
    // An id that the caller chose may have been sent before, so this may be another run of the task.
    const run = options.id === undefined ? 0 : Date.now()
    const lanes = hasLanes(task, options) ? this.#lanes(task, checked.value, options.priority) : undefined
    const sending = { id, run, options, due, limitMs, lanes }
    if (unique !== undefined) return this.#sendUnique(task, input, sending, unique)
    const publication = this.#publication(task, input, sending)
    if (run > 0) await this.#beginRun(id, run)
    const packer = task.pack === undefined || run > 0 || due !== undefined ? undefined : this.#packer
    if (packer !== undefined) await sendTraced(publication, () => packer.publish(publication, task.pack as TaskPack))
    else if (task.limit === undefined || due !== undefined) await this.#publish(publication, due)
    else await this.#publishAhead(task as Task, checked.value, publication)
    return this.handle(task, id, { due, queued: { run, at: publication.sent } })
  }

  /** Sends under a unique key, or finds the task that holds it. */
  async #sendUnique<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    input: Input,
    sending: Sending,
    unique: Unique,
  ): Promise<Handle<Output>> {
    const { id, run, due, limitMs } = sending
    const delayMs = due === undefined ? 0 : Math.max(0, due.getTime() - this.#options.delayed.clock.now())
    const keys = this.#options.control?.uniqueKeys
    if (keys === undefined) throw new NoResultStoreError()
    const claim = await keys.claim({ task: task.name, id, run, unique, delayMs, limitMs })
    if (typeof claim === 'string') return this.handle(task, claim, { existing: true })
    let at: number
    try {
      if (this.#closed) throw new ClosedError('The connection')
      const publication = this.#publication(task, input, { ...sending, id: claim.id, run: claim.run })
      Object.assign(publication.message.properties.headers, newOnce(), {
        [headers.unique]: encodeUniqueMark(claim.mark),
      })
      at = publication.sent
      if (claim.run > 0) await this.#beginRun(claim.id, claim.run)
      await this.#publish(publication, due)
    } catch (error) {
      await claim.failed(!isInNoQueue(error))
      throw error
    }
    await claim.confirmed()
    return this.handle(task, claim.id, { due, queued: { run: claim.run, at } })
  }

  /** Throws the errors of `send` for an input that cannot be sent. */
  #publication<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    input: Input,
    { id, run, options, due, limitMs, lanes }: Sending,
  ): Publication & { readonly message: Encoded; readonly sent: number } {
    const { delayed, maxMessageBytes, replyTo } = this.#options
    const sent = delayed.clock.now()
    const message = encode({
      task: task.name,
      id,
      run,
      // The caller's value, not the schema's output, because the worker's schema parses it again.
      input,
      expires: options.expires,
      sent,
      tags: options.tags,
      // For Python workers, which know it by this name.
      eta: due,
      replyTo,
      ...traceHeaders(),
    })
    // The worker then checks whether the task is done.
    if (run > 0) message.properties.headers[headers.republished] = true
    if (due !== undefined) message.properties.headers[headers.due] = due.getTime()
    const routingKey = lanes === undefined ? task.name : inLane(task.name, message, lanes)
    if (message.content.length > maxMessageBytes) {
      throw new PayloadTooLargeError(task.name, message.content.length, maxMessageBytes)
    }
    const exchange = commandsExchange(domainOf(task.name))
    return { id, exchange, routingKey, message, confirmTimeoutMs: limitMs, sent }
  }

  #lanes(task: SentTask, input: unknown, priority: Priority | undefined): Lanes {
    return laneFor('send', task, { input, priority, native: this.#options.broker?.()?.priorities === true })
  }

  #publishAhead(task: Task, input: unknown, publication: Publication): Promise<void> {
    const publish = (due: Date | undefined): Promise<void> => this.#publish(publication, due)
    return publishAhead(this.#options.control?.reservations, { task, input, publication }, publish)
  }

  /** The state of an earlier run of the same id no longer applies. */
  async #beginRun(id: string, run: number): Promise<void> {
    const { results, control } = this.#options
    await Promise.all([results?.begin(id, run, { anew: true }), control?.sentAnew(id)])
  }

  #publish(publication: Publication, due: Date | undefined, parent?: Context): Promise<void> {
    const { producer, delayed } = this.#options
    const publish = () => (due === undefined ? producer.publish(publication) : delayed.publish(publication, due))
    return sendTraced(publication, publish, parent)
  }

  /** Publishes a message of `prepare`, once or repeatedly. Resolves on the confirm. */
  async publishPrepared(record: unknown, given: PublishPreparedOptions = {}): Promise<void> {
    if (this.#closed) throw new ClosedError('The connection')
    const options = settleOptions('publishPrepared', given, PUBLISH_PREPARED_CHECKS, {})
    const { prepared, message, due } = readPrepared(record)
    const { task, id, run, chosen } = prepared
    const { maxMessageBytes, results, confirmTimeoutMs } = this.#options
    if (message.content.length > maxMessageBytes) {
      throw new PayloadTooLargeError(task, message.content.length, maxMessageBytes)
    }
    if (chosen) await results?.begin(id, run)
    const publication = {
      id,
      exchange: commandsExchange(domainOf(task)),
      routingKey: preparedKey(task, message),
      message,
      confirmTimeoutMs: options.confirmTimeoutMs ?? confirmTimeoutMs,
    }
    await this.#publish(publication, due, sendersContext(message.properties.headers))
  }

  handle<Output>(
    task: Pick<Task<unknown, unknown, Output, unknown>, 'name' | 'output'>,
    id: string,
    options?: HandleOptions,
  ): Handle<Output> {
    return new Handle<Output>(task, id, this.#resultsOrThrow, this.#options.control, options)
  }

  /** The events of a task, by its id alone. */
  eventsOf(id: string, options: EventsOptions = {}): TaskEvents {
    checkId('eventsOf', id)
    return eventsOf(this.#resultsOrThrow(), id, options)
  }

  /** The events of all tasks. */
  events(options: AllEventsOptions = {}): AllEvents {
    return allEvents(this.#resultsOrThrow(), options)
  }

  /** The state of a task in the store, by its id alone. */
  async state(id: string): Promise<StoredResult | undefined> {
    checkId('state', id)
    return stateOf(this.#resultsOrThrow(), id)
  }

  /** Accepts no new messages. */
  close(): void {
    this.#closed = true
    this.#packer?.flush()
    this.#options.delayed.close()
  }

  readonly #resultsOrThrow = (): Results => {
    const { results } = this.#options
    if (results === undefined) throw new NoResultStoreError()
    return results
  }
}

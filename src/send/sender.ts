/** `send`: one task, from what the caller gives to the broker's confirm. */
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
import { readPrepared } from './prepared.js'
import type { Producer } from './producer.js'

export interface SendOptions {
  /** The task id. Default: a random UUID. The same id sent twice is run twice unless it is done when the second comes. */
  readonly id?: string | undefined
  /** Overrides `confirmTimeoutMs` of `connect()`. Any length, or `Infinity`. */
  readonly confirmTimeoutMs?: number | undefined
  /** Not to be run after this instant: it is dead-lettered instead. A delayed task is looked at when it is due. */
  readonly expires?: Date | undefined
  /** What the task can be cancelled by, with others of the same tag. At most 16, each of 1 to 200 bytes. */
  readonly tags?: readonly string[] | undefined
  /** Not to be run before so many milliseconds have passed; of any length up to the year 9999. 0 is at once. */
  readonly delayMs?: number | undefined
  /** Not to be run before this instant, in the years 1 to 9999; the past is at once. Instead of `delayMs`. */
  readonly at?: Date | undefined
  /** Of the tasks of one name, only one holds a key at a time: needs a result store. */
  readonly unique?: UniqueOptions | undefined
  /** Of a task that is defined with `priority: true`. Default `normal`. */
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

/** Of `handle`. Throws an `OptionsError`. */
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
  /** What the broker says of itself, while connected. */
  readonly broker?: (() => Broker | undefined) | undefined
  /** Cancelling, where there is a store. */
  readonly control?: Control | undefined
  /** Where the results of what is sent here are announced; undefined without a store. */
  readonly replyTo: string | undefined
  readonly confirmTimeoutMs: number
  readonly maxMessageBytes: number
}

/** One send, once it is settled what it is. */
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
  #closed = false

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** Resolves with the task's handle once the broker has confirmed the message. */
  async send<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    input: Input,
    given: SendOptions = NO_OPTIONS,
  ): Promise<Handle<Output>> {
    if (this.#closed) throw new ClosedError('The connection')
    // Most sends have no options, and looking for them would be felt.
    const options = given === NO_OPTIONS ? given : settleOptions('send', given, SEND_CHECKS, {})
    checkTask('send', task)
    const { delayed } = this.#options
    const due = options.delayMs === undefined && options.at === undefined ? undefined : dueIn(options, delayed.clock)
    const unique = options.unique === undefined ? undefined : settleUnique('send: unique', options.unique)
    const id = options.id ?? randomUUID()
    const limitMs = options.confirmTimeoutMs ?? this.#options.confirmTimeoutMs
    const checking = checkAsSent(task.input, input)
    // Most schemas are synchronous, and one more turn for each task would be felt.
    const checked = checking instanceof Promise ? await answered(checking, id, limitMs) : checking
    if (checked.issues !== undefined) throw new InputError(task.name, checked.issues)
    if (this.#closed) throw new ClosedError('The connection')
    // An id that the caller chose may have been sent before, so that this may be another run of the task.
    const run = options.id === undefined ? 0 : Date.now()
    const lanes = hasLanes(task, options) ? this.#lanes(task, checked.value, options.priority) : undefined
    const sending = { id, run, options, due, limitMs, lanes }
    if (unique !== undefined) return this.#sendUnique(task, input, sending, unique)
    const publication = this.#publication(task, input, sending)
    if (run > 0) await this.#beginRun(id, run)
    if (task.limit === undefined || due !== undefined) await this.#publish(publication, due)
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

  /** Throws what `send` throws of an input that cannot be sent. */
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
      // What was given, not what the schema made of it: the worker's schema reads it again.
      input,
      expires: options.expires,
      sent,
      tags: options.tags,
      // For Python workers, who know it by this name.
      eta: due,
      replyTo,
      ...traceHeaders(),
    })
    // The worker then looks whether the task is done.
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

  /** What an earlier run of the same id left no longer counts. */
  async #beginRun(id: string, run: number): Promise<void> {
    const { results, control } = this.#options
    await Promise.all([results?.begin(id, run, { anew: true }), control?.sentAnew(id)])
  }

  #publish(publication: Publication, due: Date | undefined, parent?: Context): Promise<void> {
    const { producer, delayed } = this.#options
    const publish = () => (due === undefined ? producer.publish(publication) : delayed.publish(publication, due))
    return sendTraced(publication, publish, parent)
  }

  /** Publishes what `prepare` made, once or again. Resolves on the confirm. */
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

  /** What the store holds of a task, by its id alone. */
  async state(id: string): Promise<StoredResult | undefined> {
    checkId('state', id)
    return stateOf(this.#resultsOrThrow(), id)
  }

  /** Takes nothing new. */
  close(): void {
    this.#closed = true
    this.#options.delayed.close()
  }

  readonly #resultsOrThrow = (): Results => {
    const { results } = this.#options
    if (results === undefined) throw new NoResultStoreError()
    return results
  }
}

/** The dead letters of an in-memory Warren: the same filters, the same redrive, over a queue that is a list. */
import type { ConsumeMessage } from 'amqplib'
import {
  DeadLetters,
  type DeadLettersOptions,
  type ListOptions,
  type PurgeOptions,
  type RedriveOptions,
  type RedriveSummary,
  type SweepSummary,
} from '../deadLetters/deadLetters.js'
import { checkFilter, type DeadLetterFilter, matches } from '../deadLetters/filter.js'
import { type Destination, destinationOf, freshCopy, runOf } from '../deadLetters/redrive.js'
import { sweep } from '../deadLetters/sweep.js'
import type { WarrenError } from '../errors/index.js'
import type { Results } from '../results/store.js'
import type { Producer } from '../send/producer.js'
import type { Logger } from '../task/logger.js'
import type { Clock } from '../time/clock.js'
import { type DeadLetter, type DeadLetterContent, readContent, readDeadLetter } from '../wire/deadLetter.js'
import { taskIdOf } from '../wire/redelivery.js'
import type { MemoryBroker } from './broker.js'

export interface TestDeadLettersDependencies {
  readonly broker: MemoryBroker
  readonly clock: Clock
  readonly producer: Producer
  readonly results: Results
  readonly confirmTimeoutMs: number
  readonly log: Logger
}

type Act = (message: ConsumeMessage, letter: DeadLetter) => Promise<void>

export class TestDeadLetters extends DeadLetters {
  readonly #dependencies: TestDeadLettersDependencies

  constructor(options: DeadLettersOptions, dependencies: TestDeadLettersDependencies) {
    super(options, { ...dependencies, connect: () => Promise.reject(new Error('there is no broker to connect to')) })
    this.#dependencies = dependencies
  }

  override async *list(
    filter: DeadLetterFilter = {},
    { limit = Number.POSITIVE_INFINITY, signal }: ListOptions = {},
  ): AsyncGenerator<DeadLetter, void, undefined> {
    checkFilter('deadLetters.list', filter)
    yield* this.#look(filter, { limit, ...(signal === undefined ? {} : { signal }) }, readDeadLetter)
  }

  override async show(id: string): Promise<DeadLetterContent[]> {
    checkFilter('deadLetters.show', { id })
    return [...this.#look({ id }, {}, readContent)]
  }

  override async redrive(filter: DeadLetterFilter, options: RedriveOptions = {}): Promise<RedriveSummary> {
    checkFilter('deadLetters.redrive', filter)
    const { to = 'origin', dryRun } = options
    const { producer, results, confirmTimeoutMs, clock } = this.#dependencies
    const now = clock.now()
    const destinations = new Map<string, Destination & { count: number }>()
    const problems: { code: WarrenError['code']; message: string; count: number; ids: string[] }[] = []
    const send: Act = async (message, letter) => {
      const target = destinationOf(letter, to)
      if (dryRun !== true) {
        const run = runOf(message, Date.now())
        if (taskIdOf(message) === letter.id) await results.begin(letter.id, run)
        const copy = freshCopy(message, letter, { to, now, run })
        await producer.publish({ id: letter.id, ...target, message: copy, confirmTimeoutMs })
      }
      const place = JSON.stringify(target)
      destinations.set(place, { ...target, count: (destinations.get(place)?.count ?? 0) + 1 })
    }
    const summary = await this.#sweep(filter, options, send, ({ id }, { code, message }) => {
      const known = problems.find((problem) => problem.message === message)
      if (known === undefined) problems.push({ code, message, count: 1, ids: [id] })
      else {
        known.count++
        known.ids.push(id)
      }
    })
    return { ...summary, destinations: [...destinations.values()], problems }
  }

  override async purge(filter: DeadLetterFilter, options: PurgeOptions = {}): Promise<SweepSummary> {
    checkFilter('deadLetters.purge', filter)
    return this.#sweep(filter, options, async () => undefined)
  }

  *#look<Letter extends DeadLetter>(
    filter: DeadLetterFilter,
    { limit = Number.POSITIVE_INFINITY, signal }: ListOptions,
    read: (message: ConsumeMessage) => Letter,
  ): Generator<Letter, void, undefined> {
    const now = Date.now()
    let found = 0
    for (const { message } of [...this.#dependencies.broker.messages(this.queue)]) {
      if (found === limit || signal?.aborted === true) return
      const letter = read(message)
      if (!matches(filter, letter, message, now)) continue
      found++
      yield letter
    }
  }

  async #sweep(
    filter: DeadLetterFilter,
    options: RedriveOptions,
    act: Act,
    onKept: (letter: DeadLetter, problem: WarrenError) => void = () => undefined,
  ): Promise<SweepSummary> {
    const open = async () => this.#scan()
    const summary = await sweep({ ...options, filter, open, act, onKept })
    return { queue: this.queue, ...summary }
  }

  /** All dead letters at this moment; processed ones are removed from the queue. */
  #scan(): Awaited<ReturnType<Parameters<typeof sweep>[0]['open']>> {
    const messages = this.#dependencies.broker.messages(this.queue)
    const waiting = messages.map(({ message }) => message)
    return {
      total: waiting.length,
      next: async () => waiting.shift(),
      ack: (message) => void messages.splice(messages.findIndex((each) => each.message === message) >>> 0, 1),
      finish: async () => undefined,
    }
  }
}

/**
 * The packs that a worker holds: those that it runs, and those that it takes apart.
 *
 * A pack that was handed out before is never run, since one of its members may have killed the worker that ran it, and
 * others have ended. It is taken apart: members that have ended in this queue, as the store says, are dropped; the rest is
 * published, each as a message of its own, back to the queue, and confirmed; then the pack is acknowledged. Whatever ends
 * this in the middle, the pack comes again, and the same is done once more. Without a store nobody knows who has ended, and
 * all members are published.
 */
import { jittered } from '../amqp/backoff.js'
import { MessageError } from '../errors/index.js'
import type { PackEvent } from '../observe/events.js'
import type { Results } from '../results/store.js'
import type { Producer } from '../send/producer.js'
import { pause } from '../timers.js'
import { copyOf, originOf, slimCopyOf } from '../wire/copy.js'
import { headers } from '../wire/names.js'
import type { OutgoingMessage } from '../wire/outgoingMessage.js'
import { taskIdOf } from '../wire/redelivery.js'
import { isFinal, type StoredResult } from '../wire/resultFormat.js'
import type { Delivery, DeliveryQueue } from './delivery.js'
import type { Pack } from './pack.js'

export interface PacksOptions {
  readonly producer: Pick<Producer, 'publish'>
  readonly results: Results | undefined
  readonly confirmTimeoutMs: number
  readonly onPack: (event: PackEvent) => void
  /** A pack that is being taken apart waits for the store or the broker. Called for each try that failed. */
  readonly onDelayed: (pack: Pack, error: unknown) => void
}

/** Members that could not start for so long are left to others. */
const SLOW_MS = 500
const RETRY_INITIAL_MS = 200
const RETRY_MAX_MS = 5_000

export class Packs {
  readonly #options: PacksOptions
  readonly #apart = new Set<Pack>()
  readonly #open = new Set<Pack>()
  readonly #closing = new AbortController()
  /** What is being published. */
  readonly #working = new Set<Promise<unknown>>()

  constructor(options: PacksOptions) {
    this.#options = options
  }

  /** How many tasks are in the packs that are being taken apart. */
  get size(): number {
    let sum = 0
    for (const { contents } of this.#apart) sum += contents.length
    return sum
  }

  /** The members to run; none of a pack that has to be taken apart. */
  take(pack: Pack): readonly Delivery[] {
    const { redelivered } = pack.message.fields
    if (redelivered || pack.message.properties.headers?.[headers.redriven] !== undefined) {
      this.#apart.add(pack)
      this.#work(this.#takeApart(pack).finally(() => this.#apart.delete(pack)))
      return []
    }
    this.#tell(pack, 'opened', pack.contents.length)
    for (const each of this.#open) if (!each.held) this.#open.delete(each)
    this.#open.add(pack)
    return pack.open((_pack, members) => this.#work(this.#giveBack(pack, members)))
  }

  /** Whether a delivery is a member that waits for too long; at no cost while there are no packs. */
  readonly isSlow = ({ pack, heldMs }: Delivery): boolean => pack !== undefined && heldMs > SLOW_MS

  /** How many packs of a queue have nothing left but members that run, or are being settled, for a while. */
  spent(queue: DeliveryQueue): number {
    let spent = 0
    for (const pack of this.#open) if (pack.held && pack.queue === queue && pack.heldMs > SLOW_MS) spent++
    return spent
  }

  /** Whether there may be members that wait. */
  get any(): boolean {
    return this.#open.size > 0
  }

  /** Resolves when nothing is being published, or `close` was called. */
  async untilIdle(): Promise<void> {
    if (!this.any && this.#working.size === 0) return
    // What was given back in this turn is published at its end.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#working.size > 0) await Promise.allSettled(this.#working)
  }

  /** Ends all waiting: what is held by now goes back to its queue with its channel. */
  close(): void {
    this.#closing.abort()
  }

  #work(work: Promise<unknown>): Promise<void> {
    const working = work.then(() => undefined)
    this.#working.add(working)
    const ended = (): void => void this.#working.delete(working)
    working.then(ended, ended)
    return working
  }

  async #takeApart(pack: Pack): Promise<void> {
    const published = new Set<OutgoingMessage['content']>()
    for (let failures = 0; pack.held && !this.#closing.signal.aborted; failures++) {
      try {
        const left = await this.#unfinished(pack)
        if (!pack.held) return
        const publishing = left.map(async (message) => {
          if (published.has(message.content)) return
          // Whoever runs it asks the store first: this may be the second time that the pack is taken apart.
          await this.#publish(pack, message, { [headers.republished]: true })
          published.add(message.content)
        })
        await all(publishing)
        if (pack.ack()) this.#tell(pack, 'takenApart', left.length)
        return
      } catch (error) {
        this.#options.onDelayed(pack, error)
        // Another try would end so too: RabbitMQ counts how often it comes back, and dead-letters it in the end.
        if (error instanceof MessageError) return void pack.giveBack(error, true)
        await pause(jittered(RETRY_INITIAL_MS, failures, RETRY_MAX_MS), this.#closing.signal)
      }
    }
  }

  async #giveBack(pack: Pack, members: Parameters<Parameters<Pack['open']>[0]>[1]): Promise<void> {
    if (this.#closing.signal.aborted) throw new Error('the worker stops')
    await all(members.map((message) => this.#publish(pack, message, {})))
    this.#tell(pack, 'givenBack', members.length)
  }

  /** Members of which the store does not say that they have ended. Rejects when there is a store that does not answer. */
  async #unfinished({ contents, queue }: Pack): Promise<Pack['contents']> {
    const { results } = this.#options
    if (results === undefined) return contents
    const ended = await Promise.all(
      contents.map(async (message) => {
        const id = taskIdOf(message)
        return id !== '' && hasEnded(await results.get(id).catch(unreadable), queue.name)
      }),
    )
    return contents.filter((_, index) => !ended[index])
  }

  /** Straight back to its queue, and no other service's. */
  async #publish({ queue }: Pack, message: Pack['message'], marks: Readonly<Record<string, unknown>>): Promise<void> {
    const { producer, confirmTimeoutMs } = this.#options
    const id = taskIdOf(message) || '?'
    const { exchange, routingKey } = originOf(message)
    const added = { [headers.exchange]: exchange, [headers.routingKey]: routingKey, ...marks }
    const publish = (copy: OutgoingMessage): Promise<void> =>
      producer.publish({ id, exchange: '', routingKey: queue.name, message: copy, confirmTimeoutMs })
    await publish(copyOf(message, id, added)).catch((problem: unknown) => {
      if (!(problem instanceof MessageError)) throw problem
      return publish(slimCopyOf(message, id, added))
    })
  }

  #tell({ queue, message }: Pack, action: PackEvent['action'], tasks: number): void {
    const { messageId } = message.properties
    this.#options.onPack({
      ...{ id: typeof messageId === 'string' ? messageId : '?', task: queue.task, queue: queue.name, action, tasks },
    })
  }
}

/** Rejects with the first failure, once all have ended. */
async function all(publishing: readonly Promise<void>[]): Promise<void> {
  for (const each of await Promise.allSettled(publishing)) if (each.status === 'rejected') throw each.reason
}

/** What nobody can read is no result. */
function unreadable(error: unknown): undefined {
  if (error instanceof MessageError) return undefined
  throw error
}

/**
 * Whether a member has ended as far as its pack is concerned: it is done, dead-lettered or dropped, or its next attempt is a
 * message of its own. The result names its queue: what became of it in another service says nothing of this one. Only who
 * cancelled it names none.
 */
function hasEnded(result: StoredResult | undefined, queue: string): boolean {
  if (result === undefined) return false
  const { status, attempt = 0 } = result
  if (result.queue === undefined) return status === 'REVOKED'
  return result.queue === queue && (isFinal(status) || status === 'RETRY' || attempt > 1)
}

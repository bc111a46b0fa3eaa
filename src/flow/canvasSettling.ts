/**
 * What the end of a task means for the Celery canvas that its message carries: its callbacks and the next of its chain are
 * sent with its result; its errbacks with its id; and the member of a chord notes its end, and sends the body when it is
 * the last one. All before its message is acknowledged, under ids that are the same whenever it is repeated. Where Celery
 * leaves those who wait without a word, the failure is stored for them: for the rest of a chain, for a body, and for what
 * cannot be sent.
 */
import { describeThrown } from '../errors/error.js'
import { PayloadTooLargeError } from '../errors/index.js'
import { sendTraced } from '../observe/messagingSpans.js'
import type { Results } from '../results/store.js'
import type { Clock } from '../time/clock.js'
import type { Publish } from '../time/tokenMail.js'
import type { Signature } from '../wire/canvas.js'
import { encode, type NewEnvelope } from '../wire/envelope.js'
import { newOnce } from '../wire/once.js'
import { encodeFailure, encodeRevoked } from '../wire/resultFormat.js'
import { bodySeed, type CanvasMessage, type CanvasStep, type Origin, stepsOf } from './canvasSteps.js'
import { type CanvasEnd, ChordStore } from './chordStore.js'
import { isLasting } from './lasting.js'

export interface CanvasSettlingOptions {
  readonly publish: Publish
  readonly results: Results | undefined
  readonly clock: Clock
  readonly confirmTimeoutMs: number
  readonly maxMessageBytes: number
}

export type CanvasFailure = Exclude<CanvasEnd, { readonly status: 'SUCCESS' }>

/** How many are on their way to the broker at the same time. */
const TOGETHER = 500

export class CanvasSettling {
  readonly #options: CanvasSettlingOptions
  readonly #chords: ChordStore | undefined

  constructor(options: CanvasSettlingOptions) {
    this.#options = options
    this.#chords = options.results && new ChordStore(options.results)
  }

  /** May be repeated. Throws what the store and publishing throw, as long as trying again may help. */
  async settle(ended: NewEnvelope, end: CanvasEnd): Promise<void> {
    if (end.status !== 'SUCCESS') return this.#failed(ended, end, true)
    const { id, canvas } = ended
    if (canvas === undefined) return
    const { callbacks, chain } = canvas
    for (const [at, each] of callbacks.entries()) {
      await this.#run(each, [end.value], this.#after(ended, `${id}/link/${at}`))
    }
    const next = chain.at(-1)
    if (next !== undefined) await this.#run(next, [end.value], this.#after(ended, `${id}/chain`, chain.slice(0, -1)))
    await this.#chordPart(ended, end)
  }

  /** `reported`: to its errbacks. */
  async #failed(ended: NewEnvelope, failure: CanvasFailure, reported: boolean): Promise<void> {
    const { id, canvas } = ended
    if (canvas === undefined) return
    const { errbacks, chain } = canvas
    // As Celery: what is cancelled or expired is reported to nobody.
    for (const [at, each] of reported && failure.status === 'FAILURE' ? errbacks.entries() : []) {
      await this.#run(each, [id], this.#after(ended, `${id}/error/${at}`))
    }
    const next = chain.at(-1)
    if (next !== undefined) {
      const after = this.#after(ended, `${id}/chain`, chain.slice(0, -1))
      await this.#fail(stepsOf(next, [], after), failure, false)
    }
    await this.#chordPart(ended, failure)
  }

  /** What is not run: whoever waits for it learns why. */
  async #fail(steps: readonly CanvasStep[], failure: CanvasFailure, reported: boolean): Promise<void> {
    for (const step of steps) {
      if (step.kind === 'size') await this.#chords?.size(step.group, step.size)
      else await this.#notRun(step.envelope, failure, reported)
    }
  }

  async #notRun(envelope: NewEnvelope, failure: CanvasFailure, reported: boolean): Promise<void> {
    const { id, task, replyTo } = envelope
    const { error } = failure
    const speaker = { id, attempt: 1, run: 0, task, replyTo }
    const doneAt = new Date()
    const encoded =
      failure.status === 'REVOKED'
        ? encodeRevoked({ ...speaker, reason: error.message, doneAt })
        : encodeFailure({ ...speaker, error, doneAt })
    await this.#options.results?.store(speaker, encoded, { urgent: true })
    await this.#failed(envelope, failure, reported)
  }

  async #run(signature: Signature, results: readonly unknown[], origin: Origin): Promise<void> {
    const steps = stepsOf(signature, results, origin)
    for (const step of steps) if (step.kind === 'size') await this.#chords?.size(step.group, step.size)
    const sends = steps.filter((step) => step.kind === 'send')
    for (let index = 0; index < sends.length; index += TOGETHER) {
      const some = sends.slice(index, index + TOGETHER)
      const errors = await Promise.all(some.map((send) => this.#send(send).catch((error: unknown) => ({ error }))))
      const waiting = errors.find((each) => each !== undefined && !isLasting(each.error))
      if (waiting !== undefined) throw waiting.error
      for (const [at, each] of errors.entries()) {
        const { envelope } = some[at] as CanvasMessage
        if (each !== undefined) await this.#notRun(envelope, failureOf(each.error), true)
      }
    }
  }

  async #send({ envelope, route, priority }: CanvasMessage): Promise<undefined> {
    const { publish, confirmTimeoutMs, maxMessageBytes } = this.#options
    const { task, id } = envelope
    const message = encode(envelope)
    if (message.content.length > maxMessageBytes) {
      throw new PayloadTooLargeError(task, message.content.length, maxMessageBytes)
    }
    Object.assign(message.properties.headers, newOnce())
    if (priority !== undefined) Object.assign(message.properties, { priority })
    const publication = { id, ...route, message, confirmTimeoutMs }
    await sendTraced(publication, () => publish(publication))
  }

  async #chordPart({ id, canvas, group, groupIndex, ...ended }: NewEnvelope, end: CanvasEnd): Promise<void> {
    const chords = this.#chords
    const body = canvas?.chord
    if (body === undefined || group === undefined || chords === undefined) return
    if (!(await chords.note({ group, index: groupIndex, id }, end))) return
    const gathered = await chords.gather(group)
    if (gathered === undefined) return
    const after = this.#after({ ...ended, id }, bodySeed(group))
    if ('values' in gathered) {
      await this.#run(body, [gathered.values], after)
    } else {
      const message = `Dependency ${gathered.failed} raised ${gathered.text}`
      const error = { errorClass: 'ChordError', message, traceback: undefined }
      await this.#fail(stepsOf(body, [[]], after), { status: 'FAILURE', error }, true)
    }
    await chords.forget(group)
  }

  #after(
    { id, rootId = id }: Pick<NewEnvelope, 'id' | 'rootId'>,
    seed: string,
    chain: readonly Signature[] = [],
  ): Origin {
    return { seed, chain, rootId, parentId: id, now: this.#options.clock.now() }
  }
}

const failureOf = (error: unknown): CanvasFailure => ({ status: 'FAILURE', error: describeThrown(error) })

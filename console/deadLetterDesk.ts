/**
 * Dead letters on the page: looked at, sent back, removed. Each look holds all of a queue's dead letters for a moment, so
 * those of one queue wait for each other; a redrive or purge is always tried dry before, by whoever asks.
 */
import { isUtf8 } from 'node:buffer'
import type { DeadLetter, DeadLetterFilter, DeadLetters, RedriveSummary, SweepSummary, Warren } from 'warren'
import { checkOptions, is } from 'warren'
import { Refusal } from './refusal.js'
import { type Excerpt, excerpt, jsonExcerpt } from './text.js'
import { within } from './within.js'

/** How many are looked at for the overview, and how many of them are shown. */
const MAX_SCANNED = 1_000
const MAX_SHOWN = 100
const MAX_TEXT = 16_000
const MAX_WHY = 500
const TURN_MS = 30_000
/** A look takes seconds; one that takes this long is stuck, as when the queue's leader is frozen. */
const LOOK_MS = 60_000

export interface LetterView {
  readonly id: string
  readonly task?: string
  readonly reason: string
  readonly why: Excerpt
  readonly diedAt?: string
  readonly attempts?: number
  readonly redriven: number
  readonly bytes: number
}

export interface LettersView {
  readonly queue: string
  readonly letters: readonly LetterView[]
  /** How many died of what, among those that were looked at. */
  readonly reasons: Readonly<Record<string, number>>
  readonly scanned: number
  /** There are more than were looked at. */
  readonly more: boolean
}

export interface LetterContentView extends LetterView {
  readonly queue?: string
  readonly exchange?: string
  readonly routingKey?: string
  readonly contentType?: string
  readonly headers: Excerpt
  /** As text; bytes that are no text, in base64. */
  readonly content: Excerpt
  readonly base64: boolean
}

export interface Sweep {
  readonly filter: DeadLetterFilter
  readonly dryRun: boolean
}

/** Throws `OptionsError`. The filter's own keys are checked by the library. */
export function checkSweep(body: unknown): Sweep {
  checkOptions('dead letters', body, { filter: is.record, dryRun: is.flag }, ['filter', 'dryRun'])
  return body as Sweep
}

export class DeadLetterDesk {
  readonly #open: () => Promise<Warren>
  readonly #deliveryLimit: number | undefined
  /** By queue, the end of what was asked last. */
  readonly #lines = new Map<string, Promise<unknown>>()

  constructor(open: () => Promise<Warren>, deliveryLimit: number | undefined) {
    this.#open = open
    this.#deliveryLimit = deliveryLimit
  }

  list(queue: string, filter: DeadLetterFilter): Promise<LettersView> {
    return this.#look(queue, async (dead) => {
      const letters: LetterView[] = []
      const reasons: Record<string, number> = {}
      let scanned = 0
      for await (const letter of dead.list(filter, { limit: MAX_SCANNED })) {
        scanned++
        reasons[letter.reason] = (reasons[letter.reason] ?? 0) + 1
        if (letters.length < MAX_SHOWN) letters.push(letterView(letter))
      }
      return { queue, letters, reasons, scanned, more: scanned === MAX_SCANNED }
    })
  }

  show(queue: string, id: string): Promise<LetterContentView[]> {
    return this.#look(queue, async (dead) =>
      (await dead.show(id)).map((letter) => {
        const { content, contentType, headers, exchange, routingKey } = letter
        const text = isUtf8(content)
        return {
          ...letterView(letter),
          ...(letter.queue === undefined ? {} : { queue: letter.queue }),
          ...(exchange === undefined ? {} : { exchange }),
          ...(routingKey === undefined ? {} : { routingKey }),
          ...(contentType === undefined ? {} : { contentType }),
          headers: jsonExcerpt(headers, MAX_TEXT, 2),
          // Only what is shown is turned into text: a message may have megabytes.
          content: {
            ...excerpt(content.subarray(0, MAX_TEXT).toString(text ? 'utf8' : 'base64'), MAX_TEXT),
            ...(content.length > MAX_TEXT ? { of: content.length } : {}),
          },
          base64: !text,
        }
      }),
    )
  }

  redrive(queue: string, { filter, dryRun }: Sweep): Promise<RedriveSummary> {
    return this.#inLine(queue, (dead) => dead.redrive(filter, { dryRun }))
  }

  purge(queue: string, { filter, dryRun }: Sweep): Promise<SweepSummary> {
    return this.#inLine(queue, (dead) => dead.purge(filter, { dryRun }))
  }

  #look<T>(queue: string, act: (dead: DeadLetters) => Promise<T>): Promise<T> {
    return within(LOOK_MS, queue, this.#inLine(queue, act))
  }

  async #inLine<T>(queue: string, act: (dead: DeadLetters) => Promise<T>): Promise<T> {
    const before = this.#lines.get(queue)
    const turn = (async () => {
      // A redrive of very many takes its time; whoever comes next hears so rather than wait without an end.
      if (before !== undefined) await within(TURN_MS, `Whoever works on ${queue} just now`, settled(before))
      const warren = await this.#open()
      const limit = this.#deliveryLimit === undefined ? {} : { deliveryLimit: this.#deliveryLimit }
      return act(warren.deadLetters({ queue, ...limit }))
    })()
    this.#lines.set(queue, turn)
    try {
      return await turn
    } finally {
      if (this.#lines.get(queue) === turn) this.#lines.delete(queue)
    }
  }
}

const settled = (work: Promise<unknown>): Promise<unknown> => work.catch(() => undefined)

function letterView({ id, task, reason, why, diedAt, attempts, redriven, bytes }: DeadLetter): LetterView {
  return {
    ...{ id, reason, why: excerpt(why, MAX_WHY), redriven, bytes },
    ...(task === undefined ? {} : { task }),
    ...(diedAt === undefined ? {} : { diedAt: diedAt.toISOString() }),
    ...(attempts === undefined ? {} : { attempts }),
  }
}

/** A queue that is known to hold dead letters: no other may be emptied from the page. */
export function requireDeadLetterQueue(name: string, known: readonly { readonly name: string }[]): string {
  if (known.some((queue) => queue.name === name)) return name
  throw new Refusal(404, 'UNKNOWN_QUEUE', 'No such queue holds dead letters')
}

/**
 * Dead letters on the page: looked at, sent back, removed. Each look holds all of a queue's dead letters for a moment and
 * counts as a delivery of each, so that a look is kept, and paged and filtered here; those of one queue wait for each
 * other. A redrive or purge is always tried dry before, by whoever asks.
 */

import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import type {
  DeadLetter,
  DeadLetterContent,
  DeadLetterFilter,
  DeadLetters,
  RedriveSummary,
  SweepSummary,
  Warren,
} from 'warren'
import { checkOptions, is } from 'warren'
import { errorOf, groupsOf, type LetterGroup } from './letterGroups.js'
import { inputOf } from './letterInput.js'
import { type Asked, type Page, pageOf } from './paging.js'
import { Refusal } from './refusal.js'
import { type Excerpt, excerpt, jsonExcerpt } from './text.js'
import { within } from './within.js'

/** How many are looked at, and kept of a look. */
const MAX_SCANNED = 5_000
const MAX_LOOKS = 4
/** An older look is made anew for whoever comes to it, and kept for whoever turns its pages. */
const FRESH_MS = 20_000
/** In place of a look's id. */
const ANEW = 'anew'
const MAX_TEXT = 16_000
const MAX_WHY = 500
const MAX_WORDS = 50
const TURN_MS = 30_000
/** A look takes seconds; one that takes this long is stuck, as when the queue's leader is frozen. */
const LOOK_MS = 60_000

export interface LetterView {
  readonly id: string
  readonly task?: string
  readonly reason: string
  /** By which it is grouped. */
  readonly error: string
  readonly why: Excerpt
  readonly diedAt?: string
  readonly attempts?: number
  readonly redriven: number
  readonly bytes: number
}

export interface LettersView extends Page<LetterView> {
  readonly queue: string
  /** Of this look: whoever turns its pages names it. */
  readonly look: string
  readonly at: number
  readonly groups: readonly LetterGroup[]
  /** How many died of what, and of which task, of all that were looked at. */
  readonly reasons: Readonly<Record<string, number>>
  readonly tasks: Readonly<Record<string, number>>
  /** There are more than were looked at. */
  readonly more: boolean
}

export interface LetterContentView extends LetterView {
  /** The dead-letter queue that it is in. */
  readonly deadIn: string
  readonly queue?: string
  readonly exchange?: string
  readonly routingKey?: string
  readonly contentType?: string
  readonly headers: Excerpt
  /** What its handler would be given, where it can be read. */
  readonly input?: Excerpt
  /** As text; bytes that are no text, in base64. */
  readonly content: Excerpt
  readonly base64: boolean
}

export interface LetterQuery {
  readonly reason?: string
  readonly task?: string
  /** Contained in the content or the error; RabbitMQ's messages are read anew for it. */
  readonly text?: string
  /** A group's. */
  readonly error?: string
  readonly olderThanMs?: number
  readonly newerThanMs?: number
}

export interface Sweep {
  readonly filter: DeadLetterFilter
  /** Those of a group; with `look`, in which it was seen. */
  readonly error?: string
  readonly look?: string
  /** A second. */
  readonly rate?: number
  readonly dryRun: boolean
}

interface Look {
  readonly id: string
  readonly queue: string
  readonly text: string | undefined
  readonly at: number
  readonly letters: readonly LetterView[]
}

const MAX_RATE = 10_000
const isRate = (value: unknown) =>
  typeof value === 'number' && value > 0 && value <= MAX_RATE ? undefined : `a number from 1 to ${MAX_RATE}`

/** Throws `OptionsError`. The filter's own keys are checked by the library. */
export function checkSweep(body: unknown): Sweep {
  const checks = { filter: is.record, error: is.text, look: is.text, rate: isRate, dryRun: is.flag }
  checkOptions('dead letters', body, checks, ['filter', 'dryRun'])
  return body as Sweep
}

export class DeadLetterDesk {
  readonly #open: () => Promise<Warren>
  readonly #deliveryLimit: number | undefined
  /** By queue, the end of what was asked last. */
  readonly #lines = new Map<string, Promise<unknown>>()
  /** The latest last. */
  #looks: readonly Look[] = []

  constructor(open: () => Promise<Warren>, deliveryLimit: number | undefined) {
    this.#open = open
    this.#deliveryLimit = deliveryLimit
  }

  /** A page of a look: of the one that is named, else of a fresh one; of a new one for {@link ANEW}. */
  async list(queue: string, query: LetterQuery, asked: Asked, named?: string): Promise<LettersView> {
    const look = await this.#lookFor(queue, query.text, named)
    const found = look.letters.filter((letter) => fits(letter, query, look.at))
    // Groups are of all that fit, whichever group is chosen.
    const { error: _, ...rest } = query
    const all = query.error === undefined ? found : look.letters.filter((letter) => fits(letter, rest, look.at))
    return {
      ...{ queue, look: look.id, at: look.at, groups: groupsOf(all), more: look.letters.length >= MAX_SCANNED },
      ...{ reasons: counted(look.letters.map(({ reason }) => reason)) },
      ...{ tasks: counted(look.letters.flatMap(({ task }) => (task === undefined ? [] : [task]))) },
      ...pageOf(found, look.letters.length, asked),
    }
  }

  show(queue: string, id: string): Promise<LetterContentView[]> {
    return this.#look(queue, async (dead) => (await dead.show(id)).map((letter) => contentView(queue, letter)))
  }

  redrive(queue: string, sweep: Sweep): Promise<RedriveSummary> {
    const { dryRun, rate } = sweep
    const filter = this.#filterOf(queue, sweep)
    return this.#changing(queue, dryRun, (dead) =>
      dead.redrive(filter, { dryRun, ...(rate === undefined ? {} : { rate }) }),
    )
  }

  purge(queue: string, sweep: Sweep): Promise<SweepSummary> {
    const { dryRun } = sweep
    const filter = this.#filterOf(queue, sweep)
    return this.#changing(queue, dryRun, (dead) => dead.purge(filter, { dryRun }))
  }

  /** A group is a matter of the look in which it was seen: those that were in it are meant, by their ids. */
  #filterOf(queue: string, { filter, error, look: named }: Sweep): DeadLetterFilter {
    if (error === undefined) return filter
    const look = this.#looks.find((each) => each.id === named && each.queue === queue)
    if (look === undefined) throw new Refusal(409, 'LOOK_AGAIN', 'The list has changed since: look at it again')
    const { reason, task } = filter
    const query = { error, ...(reason === undefined ? {} : { reason }), ...(task === undefined ? {} : { task }) }
    const ids = look.letters.filter((letter) => fits(letter, query, look.at)).map(({ id }) => id)
    if (ids.length === 0) throw new Refusal(409, 'LOOK_AGAIN', 'The list has changed since: look at it again')
    return { ...filter, id: ids }
  }

  async #lookFor(queue: string, text: string | undefined, named: string | undefined): Promise<Look> {
    const now = Date.now()
    const kept = this.#looks.find((look) => look.queue === queue && look.text === text)
    if (kept !== undefined && named !== ANEW && (kept.id === named || now - kept.at < FRESH_MS)) return kept
    return this.#look(queue, async (dead) => {
      const letters: LetterView[] = []
      const filter = text === undefined ? {} : { text }
      for await (const letter of dead.list(filter, { limit: MAX_SCANNED })) letters.push(letterView(letter))
      const look = { id: randomUUID(), queue, text, at: Date.now(), letters }
      this.#looks = [...this.#looks.filter((each) => each.queue !== queue || each.text !== text), look].slice(
        -MAX_LOOKS,
      )
      return look
    })
  }

  /** What is known of the queue is old then. */
  async #changing<T>(queue: string, dryRun: boolean, act: (dead: DeadLetters) => Promise<T>): Promise<T> {
    try {
      return await this.#inLine(queue, act)
    } finally {
      if (!dryRun) this.#looks = this.#looks.filter((look) => look.queue !== queue)
    }
  }

  #look<T>(queue: string, act: (dead: DeadLetters) => Promise<T>): Promise<T> {
    return within(LOOK_MS, queue, this.#inLine(queue, act))
  }

  async #inLine<T>(queue: string, act: (dead: DeadLetters) => Promise<T>): Promise<T> {
    const before = this.#lines.get(queue)
    const turn = (async () => {
      // A redrive of very many takes its time; whoever comes next hears so rather than wait without an end.
      if (before !== undefined) await within(TURN_MS, `Another operation on ${queue}`, settled(before))
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

function fits(letter: LetterView, { reason, task, error, olderThanMs, newerThanMs }: LetterQuery, at: number): boolean {
  const ageMs = letter.diedAt === undefined ? Number.NaN : at - Date.parse(letter.diedAt)
  return (
    (reason === undefined || letter.reason === reason) &&
    (task === undefined || letter.task === task) &&
    (error === undefined || letter.error === error) &&
    (olderThanMs === undefined || ageMs > olderThanMs) &&
    (newerThanMs === undefined || ageMs < newerThanMs)
  )
}

function counted(words: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a).slice(0, MAX_WORDS))
}

function letterView(letter: DeadLetter): LetterView {
  const { id, task, reason, why, diedAt, attempts, redriven, bytes } = letter
  return {
    ...{ id, reason, error: errorOf(letter), why: excerpt(why, MAX_WHY), redriven, bytes },
    ...(task === undefined ? {} : { task }),
    ...(diedAt === undefined ? {} : { diedAt: diedAt.toISOString() }),
    ...(attempts === undefined ? {} : { attempts }),
  }
}

function contentView(deadIn: string, letter: DeadLetterContent): LetterContentView {
  const { content, contentType, headers, exchange, routingKey } = letter
  const text = isUtf8(content)
  const input = inputOf(content)
  return {
    ...letterView(letter),
    deadIn,
    ...(letter.queue === undefined ? {} : { queue: letter.queue }),
    ...(exchange === undefined ? {} : { exchange }),
    ...(routingKey === undefined ? {} : { routingKey }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(input === undefined ? {} : { input: jsonExcerpt(input, MAX_TEXT, 2) }),
    headers: jsonExcerpt(headers, MAX_TEXT, 2),
    // Only what is shown is turned into text: a message may have megabytes.
    content: {
      ...excerpt(content.subarray(0, MAX_TEXT).toString(text ? 'utf8' : 'base64'), MAX_TEXT),
      ...(content.length > MAX_TEXT ? { of: content.length } : {}),
    },
    base64: !text,
  }
}

/** A queue that is known to hold dead letters: no other may be emptied from the page. */
export function requireDeadLetterQueue(name: string, known: readonly { readonly name: string }[]): string {
  if (known.some((queue) => queue.name === name)) return name
  throw new Refusal(404, 'UNKNOWN_QUEUE', 'There is no such dead-letter queue')
}

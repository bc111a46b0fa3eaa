/** Selects dead letters: all given conditions must match. Pure. */
import type { ConsumeMessage } from 'amqplib'
import { checkOptions, is } from '../options.js'
import { DEATH_REASONS, type DeadLetter, type DeathReason } from '../wire/deadLetter.js'

export interface DeadLetterFilter {
  /** The id that `list` returns, or several ids. */
  readonly id?: string | readonly string[]
  /** The task's name. */
  readonly task?: string
  readonly reason?: DeathReason
  /** Dead for longer than this, in milliseconds. A dead letter without a time of death matches neither age filter. */
  readonly olderThanMs?: number
  /** Dead for less than this, in milliseconds. */
  readonly newerThanMs?: number
  /** Contained in its content or in its error's class or message; case-insensitive. */
  readonly text?: string
}

/** Throws `OptionsError`. */
export function checkFilter(where: string, filter: DeadLetterFilter): void {
  checkOptions(`${where}: filter`, filter, {
    id: is.anyOf(is.text, is.listOf(is.text, 'a list of ids')),
    task: is.text,
    reason: is.oneOf(...DEATH_REASONS),
    olderThanMs: is.integer(0),
    newerThanMs: is.integer(0),
    text: is.text,
  })
}

/** Ages count from `now`, the start of the operation, so that a long run does not match more and more. */
export function matches(filter: DeadLetterFilter, letter: DeadLetter, message: ConsumeMessage, now: number): boolean {
  const { id, task, reason, olderThanMs, newerThanMs, text } = filter
  const ageMs = letter.diedAt === undefined ? Number.NaN : now - letter.diedAt.getTime()
  return (
    (id === undefined || isAmong(id, letter.id)) &&
    (task === undefined || letter.task === task) &&
    (reason === undefined || letter.reason === reason) &&
    (olderThanMs === undefined || ageMs > olderThanMs) &&
    (newerThanMs === undefined || ageMs < newerThanMs) &&
    (text === undefined || contains(text.toLowerCase(), letter, message))
  )
}

const isAmong = (ids: string | readonly string[], id: string): boolean =>
  typeof ids === 'string' ? ids === id : setOf(ids).has(id)

/** A filter meets thousands of dead letters with the same thousands of ids. */
const sets = new WeakMap<readonly string[], ReadonlySet<string>>()

function setOf(ids: readonly string[]): ReadonlySet<string> {
  const known = sets.get(ids) ?? new Set(ids)
  sets.set(ids, known)
  return known
}

const contains = (text: string, { errorClass = '', errorMessage = '' }: DeadLetter, message: ConsumeMessage): boolean =>
  `${errorClass}: ${errorMessage}`.toLowerCase().includes(text) ||
  message.content.toString('utf8').toLowerCase().includes(text)

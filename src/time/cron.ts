/**
 * Cron expressions. croner parses them and finds matches on a calendar without time zones; this file handles time zones and
 * daylight saving, like Vixie cron:
 *
 * - a named hour (`30 2 * * *`): once for each time on the wall clock. A skipped time runs just after the gap; if a time occurs twice, the first counts.
 * - an hour field that begins with `*`, or with `0-23`: whenever the wall clock matches, so that each real hour has its own.
 */
import { Cron as Croner } from 'croner'
import { textOf } from '../errors/index.js'
import { changeBetween, instantsOf, offsetAt, wallAt } from './zone.js'

/** Names for whole expressions. */
const NICKNAMES = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/i
/** Clocks are never set back further than this. */
const LONGEST_OVERLAP_MS = 25 * 3_600_000

export class Cron {
  readonly #pattern: Croner
  readonly #zone: string
  readonly #anyHour: boolean

  /** Throws an error whose message is the expected value. The zone must exist. */
  constructor(expression: string, zone: string) {
    const fields = expression.trim().split(/\s+/)
    const named = fields.length === 1 && NICKNAMES.test(fields[0] ?? '')
    if (!named && fields.length !== 5 && fields.length !== 6) {
      throw new Error('five fields (minute, hour, day of month, month, day of week), or six with seconds in front')
    }
    try {
      // Without a time zone, so that each day has 24 hours.
      this.#pattern = new Croner(fields.join(' '), { utcOffset: 0, mode: named ? 'auto' : '5-or-6-parts' })
    } catch (error) {
      throw new Error(`a cron expression (${textOf(error).replace(/^CronPattern: /, '')})`)
    }
    this.#zone = zone
    const hour = fields.length === 6 ? fields[2] : fields[1]
    this.#anyHour = named ? /hourly/i.test(expression) : hour !== undefined && /^(\*|\?|0-23)/.test(hour)
  }

  /** The first matching time after `after`, or undefined if there is none. */
  next(after: number): number | undefined {
    return this.#anyHour ? this.#nextShown(after) : this.#nextOnce(after)
  }

  /** For named hours: each wall-clock time maps to one instant, in the same order. */
  #nextOnce(after: number): number | undefined {
    let wall = this.#match(wallAt(this.#zone, after))
    while (wall !== undefined) {
      const shown = instantsOf(this.#zone, wall)
      const instant = shown.gapEnd ?? shown.first
      if (instant > after) return instant
      // All skipped times map to the same instant.
      wall = this.#match(shown.gapEnd === undefined ? wall : wallAt(this.#zone, shown.gapEnd) - 1)
    }
    return undefined
  }

  /** For any hour: every match of the wall clock, including the second occurrence. */
  #nextShown(after: number): number | undefined {
    const offset = offsetAt(this.#zone, after)
    let from = after + offset
    const later = after + LONGEST_OVERLAP_MS
    if (offsetAt(this.#zone, later) < offset) {
      const putBack = changeBetween(this.#zone, after, later)
      const wall = this.#match(from)
      if (wall !== undefined && wall - offset < putBack) return wall - offset
      from = wallAt(this.#zone, putBack) - 1
    }
    for (let wall = this.#match(from); wall !== undefined; wall = this.#match(from)) {
      const shown = instantsOf(this.#zone, wall)
      if (shown.gapEnd === undefined) {
        // Times before the clock is set back occur again afterwards.
        const instant = shown.first > after ? shown.first : shown.second
        if (instant !== undefined) return instant
      }
      from = shown.gapEnd === undefined ? wall : wallAt(this.#zone, shown.gapEnd) - 1
    }
    return undefined
  }

  #match(after: number): number | undefined {
    return this.#pattern.nextRun(new Date(after))?.getTime()
  }
}

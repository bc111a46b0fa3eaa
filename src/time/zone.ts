/**
 * Converts between instants and wall-clock times. A wall-clock time is kept as if it were UTC, in milliseconds since 1970, so
 * that it can be compared and added to. Pure.
 */

/** No zone's offset changes twice within this time on both sides of a reading. More than any offset, or change of one. */
const AROUND_MS = 40 * 3_600_000

const formats = new Map<string, Intl.DateTimeFormat>()

/** Undefined, or what was expected. */
export function isZone(value: unknown): string | undefined {
  if (typeof value === 'string' && value !== '') {
    try {
      formatOf(value)
      return undefined
    } catch {
      // The expected value is described below.
    }
  }
  return 'a time zone of the IANA database, such as "Europe/Berlin" or "UTC"'
}

/** A zone's wall-clock time at an instant. */
export const wallAt = (zone: string, instant: number): number => instant + offsetAt(zone, instant)

/** A zone's offset from UTC at an instant, in milliseconds. */
export function offsetAt(zone: string, instant: number): number {
  if (zone === 'UTC') return 0
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {}
  for (const { type, value } of formatOf(zone).formatToParts(instant)) parts[type] = value
  const { year, month, day, hour, minute, second } = parts
  const wall = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  // The format has no milliseconds, and before 1970 they count from below.
  return wall - Math.floor(instant / 1000) * 1000
}

/** When a wall-clock time occurs. */
export type Shown =
  /** `second` is set if the time occurs twice because the clock is set back. */
  | { readonly first: number; readonly second: number | undefined; readonly gapEnd?: undefined }
  /** The clock skips it: the instant just after the gap. */
  | { readonly gapEnd: number }

/** When the wall-clock time `wall` occurs in a zone. */
export function instantsOf(zone: string, wall: number): Shown {
  const before = offsetAt(zone, wall - AROUND_MS)
  const after = offsetAt(zone, wall + AROUND_MS)
  const early = wall - Math.max(before, after)
  const late = wall - Math.min(before, after)
  const shows = (instant: number): boolean => wallAt(zone, instant) === wall
  if (early === late) return { first: early, second: undefined }
  if (shows(early)) return { first: early, second: shows(late) ? late : undefined }
  if (shows(late)) return { first: late, second: undefined }
  return { gapEnd: changeBetween(zone, early, late) }
}

/** The instant in (`from`, `to`] at which the offset changes. There is one. */
export function changeBetween(zone: string, from: number, to: number): number {
  const old = offsetAt(zone, from)
  let [low, high] = [from, to]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(zone, middle) === old) low = middle
    else high = middle
  }
  return high
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
    formats.set(zone, format)
  }
  return format
}

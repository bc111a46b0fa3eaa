/**
 * Reads the headers of a received message, one by one. All are untrusted: each function throws only {@link MessageError}, whose
 * text says what was expected and what came.
 */
import { MessageError } from '../errors/index.js'
import { describe, isTable, parseInstant } from './celeryValues.js'
import { celeryHeaders as names } from './names.js'

export type Headers = Readonly<Record<string, unknown>>

/** AMQP's short strings: properties and routing keys hold no more, and an id is also a property. */
export const MAX_SHORT_BYTES = 255

/** Celery writes unknown values as null, or for `reply_to` as the empty string. */
export const isNothing = (value: unknown): boolean => value === undefined || value === null || value === ''

export function shortTextOf(headers: Headers, name: string): string {
  const value = headers[name]
  if (typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_SHORT_BYTES) return value
  throw new MessageError(`Expected header ${name} to be text of 1 to 255 bytes, got: ${describe(value)}`)
}

export function optionalText(where: string, value: unknown): string | undefined {
  if (isNothing(value)) return undefined
  if (typeof value === 'string') return value
  throw new MessageError(`Expected ${where} to be text, got: ${describe(value)}`)
}

export const textIn = (headers: Headers, name: string): string | undefined =>
  optionalText(`header ${name}`, headers[name])

export function traceIn(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function countIn(headers: Headers, name: string): number {
  const value = headers[name]
  if (isNothing(value)) return 0
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new MessageError(`Expected header ${name} to be an integer ≥ 0, got: ${describe(value)}`)
}

/** A place in a list. What is none says nothing. */
export function indexIn(headers: Headers, name: string): number | undefined {
  const value = headers[name]
  return isCount(value) ? value : undefined
}

export function instantIn(headers: Headers, name: string): Date | undefined {
  const text = textIn(headers, name)
  if (text === undefined) return undefined
  const instant = parseInstant(text)
  if (instant !== undefined) return instant
  throw new MessageError(`Expected header ${name} to be an ISO 8601 date and time, got: ${describe(text)}`)
}

/** Warren's own times. An invalid one is ignored, so that it does not prevent the message from running. */
export function instantMsIn(headers: Headers, name: string): number | undefined {
  const value = headers[name]
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined
}

const NO_TEXTS: readonly string[] = Object.freeze([])

/** A list of texts; anything else in it is left out. */
export function textsIn(headers: Headers, name: string): readonly string[] {
  const value = headers[name]
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : NO_TEXTS
}

/** `timelimit` is `[hard, soft]` in seconds (app/amqp.py), either of which may be null. */
export function timeLimitIn(headers: Headers): number | undefined {
  const value = headers[names.timeLimit]
  if (isNothing(value)) return undefined
  const limits = Array.isArray(value) ? (value as readonly unknown[]).filter((each) => !isNothing(each)) : [value]
  // Celery ignores a limit of 0: `time_limit or task.time_limit`.
  const seconds = limits.filter((each) => typeof each === 'number' && each >= 0 && Number.isFinite(each))
  if (!Array.isArray(value) || seconds.length < limits.length) {
    throw new MessageError(`Expected header ${names.timeLimit} to be [hard, soft] in seconds, got: ${describe(value)}`)
  }
  const shortest = Math.min(...(seconds as readonly number[]).filter((each) => each > 0))
  return Number.isFinite(shortest)
    ? Math.min(Math.max(1, Math.round(shortest * 1000)), Number.MAX_SAFE_INTEGER)
    : undefined
}

/**
 * The JSON object in one of Warren's headers. An unreadable one counts as none, so that it does not prevent the message from
 * running.
 */
export function jsonTableIn(headers: Headers | undefined, name: string): Headers | undefined {
  const text = headers?.[name]
  if (typeof text !== 'string') return undefined
  try {
    const table: unknown = JSON.parse(text)
    return isTable(table) ? table : undefined
  } catch {
    return undefined
  }
}

/** A whole number from 0 on, in such a table. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

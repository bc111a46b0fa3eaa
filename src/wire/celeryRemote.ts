/**
 * The messages between Celery's tools and workers: remote control over `celery.pidbox`, events over `celeryev`. Pure. Source:
 * kombu/pidbox.py, celery/worker/control.py and celery/events of Celery 5.2 to 5.6.
 */
import { memberOf } from '../kinds.js'
import { CELERY_REPLIES } from './names.js'

/** The version in `package.json`, which Celery's tools show as the worker's software. */
export const VERSION = '0.1.0'

export const SOFTWARE = { sw_ident: 'warren', sw_ver: VERSION, sw_sys: process.platform }

/** A request to workers. */
export interface CeleryRequest {
  readonly method: string
  readonly arguments: Readonly<Record<string, unknown>>
  /** The answer's routing key in the exchange for replies. Undefined if no answer is expected. */
  readonly replyKey: string | undefined
  readonly ticket: string | undefined
}

/**
 * A request, if it is for this node and not expired. Undefined for everything else, including malformed ones. Answers only go
 * to Celery's exchange for replies: a requester must not be able to make workers publish elsewhere.
 */
export function requestFor(
  node: string,
  content: Buffer,
  headers: Readonly<Record<string, unknown>> | undefined,
  now: number,
): CeleryRequest | undefined {
  const expires = headers?.expires
  if (typeof expires === 'number' && expires * 1000 < now) return undefined
  let body: unknown
  try {
    body = JSON.parse(content.toString('utf8'))
  } catch {
    return undefined
  }
  const method = memberOf(body, 'method')
  if (typeof method !== 'string' || !isFor(node, body)) return undefined
  const given = memberOf(body, 'arguments')
  const replyTo = memberOf(body, 'reply_to')
  const replyKey = memberOf(replyTo, 'routing_key')
  const ticket = memberOf(body, 'ticket')
  return {
    method,
    arguments: typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {},
    replyKey: memberOf(replyTo, 'exchange') === CELERY_REPLIES && typeof replyKey === 'string' ? replyKey : undefined,
    ticket: typeof ticket === 'string' ? ticket : undefined,
  }
}

function isFor(node: string, body: unknown): boolean {
  const destination = memberOf(body, 'destination')
  if (Array.isArray(destination) && destination.length > 0) return destination.includes(node)
  if (typeof destination === 'string' && destination !== '') return destination === node
  const pattern = memberOf(body, 'pattern')
  const matcher = memberOf(body, 'matcher')
  if (typeof pattern !== 'string' || typeof matcher !== 'string') return true
  // Not `pcre`: a foreign regular expression could block this process.
  return matcher === 'glob' && matchesGlob(node, pattern)
}

/** `*` and `?`, as most globs have. Linear, apart from backtracking of the last `*`. */
function matchesGlob(text: string, pattern: string): boolean {
  let at = 0
  let star = -1
  let from = 0
  let index = 0
  while (index < text.length) {
    if (pattern[at] === '*') {
      star = at++
      from = index
    } else if (pattern[at] === '?' || pattern[at] === text[index]) {
      at++
      index++
    } else if (star >= 0) {
      at = star + 1
      index = ++from
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

/** The ids in `revoke`, `terminate` and `query_task`: one, or a list. */
export const idsIn = (given: unknown): string[] =>
  (Array.isArray(given) ? given : [given]).filter((id): id is string => typeof id === 'string' && id !== '')

const MAX_REPR = 1_024

/** Approximates Python's `repr` of a JSON value, for people; truncated. */
export function pythonRepr(value: unknown): string {
  const text = reprOf(value)
  return text.length <= MAX_REPR ? text : `${text.slice(0, MAX_REPR - 3)}...`
}

function reprOf(value: unknown): string {
  if (value === null || value === undefined) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (typeof value === 'string')
    return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
  if (Array.isArray(value)) return `[${value.map(reprOf).join(', ')}]`
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, each]) => `${reprOf(key)}: ${reprOf(each)}`)
      .join(', ')}}`
  }
  return String(value)
}

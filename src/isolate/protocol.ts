/**
 * The messages between a worker and its isolates. An isolate runs one job at a time, so messages need no job id. Everything is
 * a structured clone: directly between threads, between processes with `serialization: 'advanced'`.
 */
import { describeThrown, shortened } from '../errors/error.js'
import { NotCloneableError, Reject } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import type { LogLevel } from '../task/logger.js'

/** The attempt's data for the handler inside. */
export interface JobFacts {
  readonly id: string
  readonly task: string
  readonly number: number
  readonly redelivered: boolean
  readonly fence: number | undefined
}

export interface Job {
  /** A `file:` URL. */
  readonly module: string
  readonly exportName: string
  readonly input: unknown
  readonly attempt: JobFacts
  /** The handler's trace context, as headers; absent if there is none. */
  readonly trace?: Readonly<Record<string, string>>
}

export type ToIsolate =
  | { readonly kind: 'run'; readonly job: Job }
  | { readonly kind: 'abort'; readonly reason: WireError }
  /** Answers `progress`; an error says that it could not be stored. */
  | { readonly kind: 'progressDone'; readonly call: number; readonly error?: WireError }

export type FromIsolate =
  /** Sent before the handler runs: an isolate that dies before this has not run it. */
  | { readonly kind: 'started' }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly fields: object; readonly message: string }
  | { readonly kind: 'progress'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'returned'; readonly output: unknown }
  | { readonly kind: 'threw'; readonly error: WireError }

/** Any thrown value. Custom classes do not survive a clone; the parts of an error that the store and the headers keep do. */
export interface WireError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  /** A `Reject`, or a subclass of it. */
  readonly rejects?: true
}

export function toWire(thrown: unknown): WireError {
  const { errorClass, message, traceback } = describeThrown(thrown)
  const code = memberOf(thrown, 'code')
  return {
    name: errorClass,
    message,
    ...(traceback === undefined ? {} : { stack: traceback }),
    ...(typeof code === 'string' ? { code: shortened(code, MAX_CODE) } : {}),
    ...(thrown instanceof Reject ? { rejects: true } : {}),
  }
}

const MAX_CODE = 200

/** Copies of Warren before 0.2 did not mark their `Reject`, so it is also recognised by its name. */
export function fromWire({ name, message, stack, code, rejects }: WireError): Error {
  const error = rejects || name === 'Reject' ? new Reject(message) : new Error(message)
  // Not enumerable, like an error's own properties, so that loggers and equality checks skip it.
  const hidden = (value: string): PropertyDescriptor => ({ value, configurable: true, writable: true })
  Object.defineProperty(error, 'name', hidden(name))
  if (stack !== undefined) Object.defineProperty(error, 'stack', hidden(stack))
  return code === undefined ? error : Object.assign(error, { code })
}

/** Runs a `postMessage` or `send`, and describes a value that could not be cloned: a function, a getter that throws. */
export function cloning(what: string, post: () => void): void {
  try {
    post()
  } catch (error) {
    // The other side has died and reports that itself.
    if (memberOf(error, 'code') === 'ERR_IPC_CHANNEL_CLOSED') throw error
    throw new NotCloneableError(what, error)
  }
}

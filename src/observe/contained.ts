/**
 * The only way in which Warren calls users' code: listeners, callbacks, loggers. It may throw, hang, or return a promise that
 * rejects; the caller is not affected, and every problem is reported.
 */
import { EventEmitter } from 'node:events'
import { textOf } from '../errors/index.js'
import { isThenable } from '../kinds.js'
import { isLogger, type Logger, type LogLevel } from '../task/logger.js'

export { isThenable } from '../kinds.js'

/** Receives each problem; `what` names the code that failed, such as `a listener of deadLettered`. */
export type ReportProblem = (what: string, error: unknown) => void

/** Calls `call` and reports a throw or a rejection. */
export function callContained(what: string, call: () => unknown, report: ReportProblem): void {
  try {
    const returned = call()
    if (isThenable(returned)) Promise.resolve(returned).catch((error: unknown) => report(what, error))
  } catch (error) {
    report(what, error)
  }
}

/**
 * An emitter whose listeners are users' code. They run slightly later: after the promise that belongs to the event is settled,
 * in the order of the events, and never inside a callback of the broker's or the store's client.
 */
export class ContainedEmitter<Events extends Record<keyof Events, unknown[]>> extends EventEmitter<Events> {
  #report: ReportProblem = () => undefined
  #waiting: (() => void)[] = []

  /** Sets the callback for failing listeners. */
  protected reportProblemsTo(report: ReportProblem): void {
    this.#report = report
  }

  /** Notifies the listeners, in place of `emit`. */
  protected tell<Event extends keyof Events & (string | symbol)>(event: Event, ...values: Events[Event]): void {
    const listeners = this.rawListeners(event as never)
    if (listeners.length === 0) return
    // Started from a microtask, so that it runs after all microtasks: all promises that belong to one read are settled by then.
    if (this.#waiting.length === 0) queueMicrotask(() => process.nextTick(() => this.#flush()))
    for (const listener of listeners) {
      this.#waiting.push(() =>
        callContained(`a listener of ${String(event)}`, () => listener.apply(this, values), this.#report),
      )
    }
  }

  /** Resolves once all events so far have reached the listeners. */
  protected told(): Promise<void> {
    return new Promise((resolve) => queueMicrotask(() => process.nextTick(resolve)))
  }

  #flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const call of waiting) call()
  }
}

/** How long repeated failures of the same code are not reported again. */
const QUIET_MS = 60_000

/** Reports problems as log lines, each kind at most once a minute, because a broken listener fails for every message. */
export function problemLog(log: Logger): ReportProblem {
  const reportedAt = new Map<string, number>()
  return (what, error) => {
    const now = performance.now()
    if (now - (reportedAt.get(what) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return
    reportedAt.set(what, now)
    log.error({ what }, `${capitalized(what)} failed: ${textOf(error)}. Warren continues; fix the code that it calls`)
  }
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/**
 * Wraps a logger so that it never throws. Each level is looked up on every call, and called as a method: pino replaces its
 * methods when the level changes, and class-based loggers need their `this`.
 */
export function containedLogger(log: Logger): Logger {
  const write = (level: LogLevel) => (fields: object, message: string) =>
    callContained('the logger', () => log[level](fields, message), ignored)
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => childLogger(log, fields),
  }
}

/** A logger that adds `fields` to each line: the logger's own child, if it supports that. Always contained. */
export function childLogger(log: Logger, fields: object): Logger {
  const own = ownChild(log, fields)
  if (own !== undefined) return containedLogger(own)
  const write = (level: LogLevel) => (more: object, message: string) =>
    callContained('the logger', () => log[level]({ ...fields, ...more }, message), ignored)
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (more) => childLogger(log, { ...fields, ...more }),
  }
}

function ownChild(log: Logger, fields: object): Logger | undefined {
  try {
    const child = log.child?.(fields)
    return isLogger(child) === undefined ? (child as Logger) : undefined
  } catch {
    return undefined
  }
}

/** Problems are reported to the logger, so the logger's own problems are dropped. */
const ignored: ReportProblem = () => undefined

/**
 * The signal of `controller` for users' code. Node ends the process when a listener of an `EventTarget` throws, so those
 * that are added here are contained.
 */
export function containedSignal({ signal }: AbortController, report: ReportProblem): AbortSignal {
  const wrappers = new WeakMap<object, (event: Event) => void>()
  const wrapped = (listener: unknown): unknown => {
    if (listener === null || (typeof listener !== 'object' && typeof listener !== 'function')) return listener
    const known = wrappers.get(listener)
    if (known !== undefined) return known
    const wrapper = (event: Event): void =>
      callContained(
        'an abort listener',
        () =>
          typeof listener === 'function'
            ? listener.call(signal, event)
            : (listener as EventListenerObject).handleEvent(event),
        report,
      )
    wrappers.set(listener, wrapper)
    return wrapper
  }
  const { addEventListener, removeEventListener } = signal
  let onabort: unknown = null
  return Object.defineProperties(signal, {
    addEventListener: {
      value: (type: string, listener: unknown, ...options: [boolean | undefined]) =>
        addEventListener.call(signal, type as 'abort', wrapped(listener) as () => void, ...options),
    },
    removeEventListener: {
      value: (type: string, listener: unknown, ...options: [boolean | undefined]) =>
        removeEventListener.call(signal, type as 'abort', wrapped(listener) as () => void, ...options),
    },
    onabort: {
      get: () => onabort,
      set: (listener: unknown) => {
        if (typeof onabort === 'function') removeEventListener.call(signal, 'abort', wrapped(onabort) as () => void)
        onabort = typeof listener === 'function' ? listener : null
        if (onabort !== null) addEventListener.call(signal, 'abort', wrapped(onabort) as () => void)
      },
    },
  })
}

interface EventListenerObject {
  handleEvent(event: Event): unknown
}

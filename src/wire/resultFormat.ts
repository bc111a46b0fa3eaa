/**
 * What the result store holds for a task id: Celery's result format as JSON, both directions. Pure; nothing here talks
 * to a store. Source: celery/backends/base.py (`_get_result_meta`, `exception_to_python`) of Celery 5.2.
 *
 * Warren adds keys: `name` and `queue`, as Celery itself with `result_extended`; when the task was sent and when the
 * attempt began; and `attempt` and `run`, which say who wrote the state: the store can refuse the late word of an
 * attempt that was replaced. Celery keeps unknown keys and ignores them. `status` comes first, as Celery writes it, and
 * the last two last, so that the store's script finds them without reading what a handler returned (`results/script.ts`).
 */
import { MessageError, OutputError, textOf } from '../errors/index.js'
import { describe, formatInstant, isTable, parseInstant, parseJson } from './celeryValues.js'

/** Celery's states, and `PROGRESS`, the custom state that its guide and Flower use. Python may write others. */
export type ResultStatus =
  | 'PENDING'
  | 'RECEIVED'
  | 'STARTED'
  | 'PROGRESS'
  | 'RETRY'
  | 'SUCCESS'
  | 'FAILURE'
  | 'REVOKED'
  | (string & {})

/** An error as the store keeps it, whatever language raised it. */
export interface StoredError {
  /** The class name: `TypeError`, `ValueError`. */
  readonly errorClass: string
  readonly message: string
  /** The stack, as its language prints it. */
  readonly traceback: string | undefined
}

export interface StoredResult {
  /** The task id. */
  readonly id: string
  readonly status: ResultStatus
  /** What the handler returned (SUCCESS), its progress (PROGRESS), or who runs it (STARTED). Absent with `error`. */
  readonly result?: unknown
  /** Present for FAILURE, RETRY and REVOKED. */
  readonly error?: StoredError
  /** Which attempt wrote this, from 1. Absent when it was not Warren that wrote it. */
  readonly attempt?: number
  /** Which run of the task wrote this, see `Envelope.run`. Absent when it was not Warren that wrote it. */
  readonly run?: number
  /** The task's name. Absent when neither Warren nor a Celery with `result_extended` wrote this. */
  readonly task?: string
  /** The queue whose message was run. Absent when it was not Warren that wrote it, and before the task has begun. */
  readonly queue?: string
  /** When its message was sent, or the run began. Absent when its sender did not say so. */
  readonly queuedAt?: Date
  /** When the attempt began. Absent when it was not Warren that ran it. */
  readonly startedAt?: Date
  /** When the task ended. Absent until then. */
  readonly doneAt?: Date
}

/** What every `encode…` function needs: which task, and which attempt of which run speaks. */
export interface Speaker {
  readonly id: string
  /** Counted from 1. */
  readonly attempt: number
  /** See `Envelope.run`. */
  readonly run: number
  /** The task's name. */
  readonly task?: string | undefined
  /** The queue whose message was run: several services may handle one task, and each has a queue of its own. */
  readonly queue?: string | undefined
  /** When the message was sent, or the run began, in milliseconds since 1970. */
  readonly queued?: number | undefined
  /** When the attempt began, in milliseconds since 1970. */
  readonly started?: number | undefined
  /** Somebody cancelled the task. */
  readonly cancelled?: boolean
}

/**
 * The status of a result that may not be readable otherwise. Celery and Warren write it first. Undefined for a text that
 * is no result.
 */
export const statusOf = (text: string): ResultStatus | undefined => /^\{"status": ?"([^"]*)"/.exec(text)?.[1]

/** Whether no further state will follow. */
export const isFinal = (status: ResultStatus): boolean =>
  status === 'SUCCESS' || status === 'FAILURE' || status === 'REVOKED'

/** Celery stores an exception as the result of these states (`EXCEPTION_STATES` in celery/states.py). */
const holdsError = (status: ResultStatus): boolean => status === 'FAILURE' || status === 'RETRY' || status === 'REVOKED'

/**
 * The handler returned `output`; undefined is stored as null. Throws {@link OutputError} when JSON cannot carry it (a
 * BigInt, a cycle, a function).
 */
export function encodeSuccess(success: Speaker & { task: string; output: unknown; doneAt: Date }): string {
  return write(success, 'SUCCESS', outputJson(success.task, success.output), null, success.doneAt)
}

/** The last attempt failed. In Python `AsyncResult.get()` raises an exception of the same class name and message. */
export function encodeFailure(failure: Speaker & { error: StoredError; doneAt: Date }): string {
  return write(failure, 'FAILURE', errorJson(failure.error, null), failure.error.traceback, failure.doneAt)
}

/** An attempt failed, and another will follow. */
export function encodeRetry(retry: Speaker & { error: StoredError }): string {
  return write(retry, 'RETRY', errorJson(retry.error, null), retry.error.traceback, undefined)
}

/** The task was given up, for `reason`. In Python `get()` raises `celery.exceptions.TaskRevokedError`. */
export function encodeRevoked(revoked: Speaker & { reason: string; doneAt: Date }): string {
  return write(revoked, 'REVOKED', errorJson(revokedError(revoked.reason), 'celery.exceptions'), null, revoked.doneAt)
}

/** What Celery raises for a task that was given up. */
export const revokedError = (reason: string): StoredError => ({
  ...{ errorClass: 'TaskRevokedError', message: reason, traceback: undefined },
})

/** Somebody cancelled the task. The store keeps this against the word of every run up to the speaker's. */
export const encodeCancelled = (cancelled: Omit<Speaker, 'cancelled'> & { doneAt: Date }): string =>
  encodeRevoked({ ...cancelled, cancelled: true, reason: 'cancelled' })

/** An attempt began, in process `pid` of `hostname`: the two that Celery stores with `task_track_started`. */
export function encodeStarted(started: Speaker & { pid: number; hostname: string }): string {
  return write(started, 'STARTED', JSON.stringify({ pid: started.pid, hostname: started.hostname }), null, undefined)
}

/** A new run of the task was sent, and has not begun. */
export function encodePending(pending: { readonly id: string; readonly run: number }): string {
  return write({ ...pending, attempt: 0 }, 'PENDING', 'null', null, undefined)
}

/** A handler reported `progress`. Throws {@link OutputError} when JSON cannot carry it. */
export function encodeProgress(report: Speaker & { task: string; progress: unknown }): string {
  return encodeProgressJson(report, outputJson(report.task, report.progress))
}

/** The same for what is JSON already. */
export const encodeProgressJson = (speaker: Speaker, json: string): string =>
  write(speaker, 'PROGRESS', json, null, undefined)

function write(
  speaker: Speaker,
  status: ResultStatus,
  resultJson: string,
  traceback: string | null | undefined,
  doneAt: Date | undefined,
): string {
  const { task, queue, queued, started } = speaker
  const name = task === undefined ? '' : `,"name":${JSON.stringify(task)}`
  const from = queue === undefined ? '' : `,"queue":${JSON.stringify(queue)}`
  const sent = queued === undefined ? '' : `,"queued":${queued}`
  const began = started === undefined ? '' : `,"started":${started}`
  const cancelled = speaker.cancelled === true ? ',"cancelled":true' : ''
  // Written piece by piece, so that a large output is turned into JSON once.
  return `{"status":"${status}","result":${resultJson},"traceback":${JSON.stringify(traceback ?? null)},"children":[],"date_done":${JSON.stringify(
    doneAt === undefined ? null : (formatInstant(doneAt) ?? null),
  )},"task_id":${JSON.stringify(speaker.id)}${name}${from}${sent}${began}${cancelled},"attempt":${speaker.attempt},"run":${speaker.run}}`
}

/** What a handler returned or reported, as JSON. Throws {@link OutputError} when JSON cannot carry it. */
export function outputJson(task: string, output: unknown): string {
  if (output === undefined) return 'null'
  let problem: string
  try {
    // TypeScript's signature leaves out that functions and symbols give undefined.
    const text = JSON.stringify(output) as string | undefined
    if (text !== undefined) return text
    problem = `got: ${describe(output)}`
  } catch (error) {
    problem = textOf(error)
  }
  throw new OutputError(task, [{ path: '', message: `expected a value that JSON can carry; ${problem}` }])
}

/** An error as Celery keeps it among the results of a chord. */
export const storedErrorJson = (error: StoredError, status: 'FAILURE' | 'REVOKED'): string =>
  errorJson(error, status === 'REVOKED' ? 'celery.exceptions' : null)

/**
 * `exc_message` is the list of the exception's arguments. With `exc_module` null Python makes up a class of that name;
 * with `builtins` it would raise its own of the same name, and a JavaScript error called `SystemExit` would end it.
 */
function errorJson({ errorClass, message }: StoredError, module: string | null): string {
  return JSON.stringify({ exc_type: className(errorClass), exc_message: [message], exc_module: module })
}

/**
 * Python refuses a class whose name holds a NUL or half a surrogate pair, and the caller would see that instead.
 * `String`, since a handler may throw an error whose `name` is no text, and storing a failure must not fail.
 */
const className = (name: string): string =>
  String(name)
    .slice(0, 200)
    .replace(/[^\p{L}\p{N}_$.]/gu, '_') || 'Error'

/** What Warren writes ends so: nothing in it is typed by kombu. */
const OURS = /"attempt":\d+(,"run":\d+)?\}$/

/** Whether a result says that somebody cancelled the task. Its run is then the instant of that. */
export const isCancelled = (text: string): boolean => /"cancelled":true,"attempt":\d+,"run":\d+\}$/.test(text)

/** Whether a worker of Warren's wrote a result. */
export const isOurs = (text: string): boolean => OURS.test(text)

/**
 * Reads what the store holds for a task, written by Warren or by Celery. Throws {@link MessageError}, and nothing else,
 * when it is not a result.
 */
export function decodeResult(text: string): StoredResult {
  const meta = parseJson('The stored result', text, { typed: !OURS.test(text) })
  if (!isTable(meta)) throw new MessageError(`Expected the stored result to be an object, got: ${describe(meta)}`)
  const { task_id: id, status, result, traceback, date_done: done, attempt, run, name, queue } = meta
  if (typeof id !== 'string') throw new MessageError(`Expected task_id of a result to be text, got: ${describe(id)}`)
  if (typeof status !== 'string') {
    throw new MessageError(`Expected status of the result of ${describe(id)} to be text, got: ${describe(status)}`)
  }
  // A date that cannot be read takes nothing away from the result itself.
  const doneAt = typeof done === 'string' ? parseInstant(done) : undefined
  const [queuedAt, startedAt] = [instantOf(meta.queued), instantOf(meta.started)]
  return {
    id,
    status,
    ...(holdsError(status) ? { error: errorOf(result, traceback) } : { result: result ?? null }),
    ...(typeof attempt === 'number' && Number.isSafeInteger(attempt) && attempt > 0 ? { attempt } : undefined),
    ...(typeof run === 'number' && Number.isSafeInteger(run) ? { run } : undefined),
    ...(typeof name === 'string' ? { task: name } : undefined),
    ...(typeof queue === 'string' ? { queue } : undefined),
    ...(queuedAt === undefined ? undefined : { queuedAt }),
    ...(startedAt === undefined ? undefined : { startedAt }),
    ...(doneAt === undefined ? undefined : { doneAt }),
  }
}

/** An instant in milliseconds, of the years that a Date can hold. */
function instantOf(value: unknown): Date | undefined {
  const instant = typeof value === 'number' && value > 0 ? new Date(value) : undefined
  return instant === undefined || Number.isNaN(instant.getTime()) ? undefined : instant
}

function errorOf(result: unknown, traceback: unknown): StoredError {
  const trace = typeof traceback === 'string' && traceback !== '' ? traceback : undefined
  if (!isTable(result)) return { errorClass: 'Error', message: messageOf(result), traceback: trace }
  const { exc_type: type, exc_message: message } = result
  return {
    errorClass: typeof type === 'string' && type !== '' ? type : 'Error',
    message: messageOf(message),
    traceback: trace,
  }
}

/** Python stores the list of the exception's arguments; of most exceptions the one argument is the message. */
function messageOf(message: unknown): string {
  if (message === undefined || message === null) return ''
  const parts: readonly unknown[] = Array.isArray(message) ? message : [message]
  return parts.map((part) => (typeof part === 'string' ? part : jsonOf(part))).join(', ')
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch {
    // JSON.parse reads any depth of nesting; JSON.stringify runs out of stack.
    return describe(value)
  }
}

/**
 * A task message that is created now and published later, perhaps by another process: the content of an outbox table. It is
 * plain data that survives JSON, and contains its format version, so that later versions can read it.
 *
 * A record may be published more than once, because its publisher may die before it records that. So its id and its run are set
 * when it is created, and a worker checks the store whether the task is done before it runs one.
 */
import { randomUUID } from 'node:crypto'
import { areTags } from '../control/tags.js'
import { InputError, MessageError, OptionsError, PayloadTooLargeError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { traceHeaders } from '../observe/tracing.js'
import { defaults, is, kindOf, settleOptions } from '../options.js'
import { checkAsSent } from '../task/check.js'
import { laneFor, type Priority } from '../task/lanes.js'
import { checkTask, TASK_NAME, type Task } from '../task/task.js'
import { type Encoded, encode, propertiesOf } from '../wire/envelope.js'
import { MAX_SHORT_BYTES } from '../wire/headerValues.js'
import { headers } from '../wire/names.js'
import { DELAY_CHECKS, dueIn } from './delayed.js'
import { hasLanes, inLane } from './lane.js'

export interface PrepareOptions {
  /** The task id. Default: a random UUID. */
  readonly id?: string | undefined
  /** The task does not run after this time: it is dead-lettered instead. */
  readonly expires?: Date | undefined
  /** Tags by which the task can be cancelled, together with others. At most 16, each of 1 to 200 bytes. */
  readonly tags?: readonly string[] | undefined
  /** The task does not run before this many milliseconds have passed, from now on. */
  readonly delayMs?: number | undefined
  /** The task does not run before this time. Cannot be combined with `delayMs`. */
  readonly at?: Date | undefined
  /** As for `send`. */
  readonly priority?: Priority | undefined
  /** The largest message, in bytes: that of the `connect()` that will publish it. Default 4 MiB. */
  readonly maxMessageBytes?: number | undefined
}

/**
 * A task message, ready to be published by `publishPrepared`. Keep it as JSON; read nothing but `version`, `task` and `id`.
 */
export interface PreparedMessage {
  /**
   * The format version. A version of Warren whose records older versions would misread increases it, and reads all earlier
   * ones.
   */
  readonly version: 1
  readonly task: string
  readonly id: string
  /** When it was created, in milliseconds since 1970; also the run that it begins. */
  readonly run: number
  /** Whether the caller chose the id, so that the store may hold the failure of an earlier run. */
  readonly chosen: boolean
  readonly body: string
  readonly headers: Readonly<Record<string, unknown>>
}

const PREPARE_CHECKS = {
  id: is.text,
  expires: is.date,
  tags: areTags,
  ...DELAY_CHECKS,
  priority: is.oneOf('high', 'normal', 'low'),
  maxMessageBytes: is.integer(1),
}

/**
 * Checks and encodes a task message without sending it. Does no I/O. Throws like `send`:
 * `OptionsError`, `InputError`, `PayloadTooLargeError`.
 */
export async function prepare<Input, Parsed, Output, Returned>(
  task: Task<Input, Parsed, Output, Returned>,
  input: NoInfer<Input>,
  options: PrepareOptions = {},
): Promise<PreparedMessage> {
  const { maxMessageBytes, ...given } = settleOptions('prepare', options, PREPARE_CHECKS, {
    maxMessageBytes: defaults.maxMessageBytes,
  })
  checkTask('prepare', task)
  const checked = await checkAsSent(task.input, input)
  if (checked.issues !== undefined) throw new InputError(task.name, checked.issues)
  const { id = randomUUID(), expires, tags, delayMs, at, priority } = given
  const run = Date.now()
  // By this machine's clock: there is no connection to a store.
  const due = delayMs === undefined && at === undefined ? undefined : dueIn(given, { now: () => run })
  const envelope = { task: task.name, id, run, input, expires, sent: run, tags, eta: due }
  const { content, properties } = encode({ ...envelope, ...traceHeaders() })
  // The publishing broker is unknown, so its own priorities are not used.
  const sent = { input: checked.value, priority, native: false }
  if (hasLanes(task, { priority })) inLane(task.name, { content, properties }, laneFor('prepare', task, sent))
  if (content.length > maxMessageBytes) throw new PayloadTooLargeError(task.name, content.length, maxMessageBytes)
  return Object.freeze({
    version: 1 as const,
    task: task.name,
    id,
    run,
    chosen: given.id !== undefined,
    body: content.toString('utf8'),
    headers: Object.freeze({
      ...properties.headers,
      [headers.republished]: true,
      ...(due === undefined ? {} : { [headers.due]: due.getTime() }),
    }),
  })
}

/** Checks a record: it may come from any version, or from anybody with write access to its storage. */
export function readPrepared(record: unknown): {
  readonly prepared: PreparedMessage
  readonly message: Encoded
  readonly due: Date | undefined
} {
  const version = memberOf(record, 'version')
  if (is.record(record) !== undefined || !Number.isSafeInteger(version)) {
    throw new OptionsError('publishPrepared', [`expected what prepare() returns, got: ${kindOf(record)}`])
  }
  if (version !== 1) {
    throw new MessageError(
      `Expected a prepared message of format 1, got format ${String(version)}: a newer version of Warren wrote it, and has to publish it`,
    )
  }
  const problems = PARTS.flatMap(([key, fits]) => (fits(memberOf(record, key)) ? [] : [`\`${key}\``]))
  if (problems.length > 0) {
    throw new MessageError(`Expected a prepared message as prepare() returned it, but ${problems.join(', ')} differs`)
  }
  const prepared = record as PreparedMessage
  const { id, run, body } = prepared
  const due: unknown = prepared.headers[headers.due]
  return {
    prepared,
    due: typeof due === 'number' && Number.isFinite(due) ? new Date(due) : undefined,
    message: {
      content: Buffer.from(body),
      // A copy of the headers: the producer adds to them when it has to publish again.
      properties: propertiesOf(id, run, undefined, { ...prepared.headers }),
    },
  }
}

const PARTS: readonly (readonly [string, (value: unknown) => boolean])[] = [
  ['task', (value) => typeof value === 'string' && TASK_NAME.test(value)],
  ['id', (value) => typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_SHORT_BYTES],
  ['run', (value) => Number.isSafeInteger(value) && (value as number) > 0],
  ['chosen', (value) => typeof value === 'boolean'],
  ['body', (value) => typeof value === 'string' && value !== ''],
  ['headers', (value) => is.record(value) === undefined],
]

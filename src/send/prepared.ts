/**
 * A task message that is made now and published later, perhaps by another process: what an outbox keeps in a table. It is
 * plain data that survives JSON, and says which format it has, so that a record outlives the version that wrote it.
 *
 * A record may be published more than once: whoever publishes it may die before noting that it did. So its id and its
 * run are fixed when it is made, and a worker asks the store whether the task is done before it runs one.
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
  /** Not to be run after this instant: it is dead-lettered instead. */
  readonly expires?: Date | undefined
  /** What the task can be cancelled by, with others of the same tag. At most 16, each of 1 to 200 bytes. */
  readonly tags?: readonly string[] | undefined
  /** Not to be run before so many milliseconds have passed, from now on. */
  readonly delayMs?: number | undefined
  /** Not to be run before this instant. Instead of `delayMs`. */
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
  /** The format. What writes a record that older versions would misread raises it, and reads all earlier ones. */
  readonly version: 1
  readonly task: string
  readonly id: string
  /** When it was made, in milliseconds since 1970: also the run that it begins. */
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
 * Checks and encodes a task message without sending it. Does no I/O. Throws what `send` throws for what it is called with:
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
  // By this machine's clock: there is no connection whose store could be asked.
  const due = delayMs === undefined && at === undefined ? undefined : dueIn(given, run)
  const envelope = { task: task.name, id, run, input, expires, sent: run, tags, eta: due }
  const { content, properties } = encode({ ...envelope, ...traceHeaders() })
  // Which broker publishes it is not known: priorities of its own are not counted on.
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

/** What a record says, checked: it may come from any version, or from anybody who may write where it was kept. */
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

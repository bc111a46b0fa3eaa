/** Sent tasks, for assertions in tests. */
import { AssertionError } from 'node:assert'
import type { ConsumeMessage } from 'amqplib'
import type { Publication } from '../send/outgoing.js'
import { checkTask, type Task, type TaskInput } from '../task/task.js'
import { isTable } from '../wire/celeryValues.js'
import { decode } from '../wire/envelope.js'
import { headers } from '../wire/names.js'
import { uniqueMarkOf } from '../wire/uniqueMark.js'

/** A sent task, read from its message. */
export interface SentTask<Input = unknown> {
  readonly id: string
  /** The task's name. */
  readonly name: string
  /** As JSON carries it. */
  readonly input: Input
  /** When it is due; undefined for at once. */
  readonly due: Date | undefined
  /** When it expires. */
  readonly expires: Date | undefined
  readonly tags: readonly string[]
  /** Its unique key. */
  readonly unique: string | undefined
}

export function sentTaskOf({ message }: Publication): SentTask {
  const given = message.properties.headers as ConsumeMessage['properties']['headers'] & Record<string, unknown>
  const { id, task, input, expires, tags } = decode(message.properties, message.content)
  const due: unknown = given[headers.due]
  return {
    ...{ id, name: task, input, expires, tags },
    // What waits for the rate of its key was not delayed by its sender.
    due: typeof due === 'number' && given[headers.slot] === undefined ? new Date(due) : undefined,
    unique: uniqueMarkOf(given)?.key,
  }
}

/** The source of sent tasks: an in-memory Warren. */
export interface Sending {
  sent<T extends Task>(task: T): readonly SentTask<TaskInput<T>>[]
}

/** Part of an input, at any depth. */
export type PartOf<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Key in keyof T]?: PartOf<T[Key]> }
    : T

/**
 * Returns the first sent task whose input equals or contains this one. Throws an `AssertionError` that shows the sent tasks if
 * there is none.
 */
export function expectSent<T extends Task>(
  warren: Sending,
  task: T,
  input?: PartOf<TaskInput<T>>,
): SentTask<TaskInput<T>> {
  checkTask('expectSent', task)
  const sent = warren.sent(task)
  const found = sent.find((each) => input === undefined || contains(each.input, input))
  if (found !== undefined) return found
  throw new AssertionError({
    message:
      sent.length === 0
        ? `expected ${task.name} to be sent, and it was not`
        : `expected ${task.name} to be sent with this input; it was sent ${sent.length} times with others`,
    actual: sent.map((each) => each.input),
    expected: input,
    operator: 'expectSent',
  })
}

/** Throws an `AssertionError` if such a task was sent. */
export function expectNotSent<T extends Task>(warren: Sending, task: T, input?: PartOf<TaskInput<T>>): void {
  checkTask('expectNotSent', task)
  const found = warren.sent(task).find((each) => input === undefined || contains(each.input, input))
  if (found === undefined) return
  throw new AssertionError({
    message: `expected ${task.name} not to be sent, and it was, as ${found.id}`,
    actual: found.input,
    expected: undefined,
    operator: 'expectNotSent',
  })
}

/** Whether `actual` contains `part`. Lists must be equal. */
function contains(actual: unknown, part: unknown): boolean {
  if (Array.isArray(part)) {
    return (
      Array.isArray(actual) && actual.length === part.length && part.every((each, at) => contains(actual[at], each))
    )
  }
  if (isTable(part)) return isTable(actual) && Object.keys(part).every((key) => contains(actual[key], part[key]))
  return Object.is(actual, part)
}

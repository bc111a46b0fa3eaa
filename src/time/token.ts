/**
 * A schedule's token: the message that circulates in the broker, one for each schedule. It contains everything that the
 * schedule needs, so that the schedule survives an emptied store.
 */
import { MessageError, textOf } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import type { OutgoingMessage } from '../wire/outgoingMessage.js'
import type { Definition } from './definition.js'
import type { Order, Progress } from './visit.js'

export interface Token {
  readonly schedule: string
  /** Distinguishes tokens of older definitions from the current one. */
  readonly generation: number
  readonly order: Order
  readonly progress: Progress
  readonly paused: Paused | null
  /** When it is due, in milliseconds since 1970. */
  readonly due: number
  readonly definition: Definition
  /** The trace in which the schedule was defined, as headers: that of all its tasks. */
  readonly trace?: Readonly<Record<string, string>> | undefined
}

/** Since when a schedule is paused, and why. */
export interface Paused {
  readonly since: number
  readonly reason?: string | undefined
}

const CONTENT_TYPE = 'application/json'
const TYPE = 'warren.tick'

/** `id` identifies the publication, not the token: each copy has its own. */
export function encodeToken(token: Token, id: string): OutgoingMessage {
  return {
    content: Buffer.from(JSON.stringify(token)),
    properties: {
      contentType: CONTENT_TYPE,
      contentEncoding: 'utf-8',
      type: TYPE,
      messageId: id,
      persistent: true,
      mandatory: true,
      headers: {},
    },
  }
}

/** Throws a `MessageError` for an invalid token. */
export function decodeToken(content: Buffer): Token {
  let token: unknown
  try {
    token = JSON.parse(content.toString('utf8'))
  } catch (error) {
    throw new MessageError(`Expected the token of a schedule, got no JSON: ${textOf(error)}`)
  }
  const definition = memberOf(token, 'definition')
  const order = memberOf(token, 'order')
  const fits =
    typeof memberOf(token, 'schedule') === 'string' &&
    [memberOf(token, 'generation'), memberOf(token, 'due'), memberOf(order, 'tick'), memberOf(order, 'hop')].every(
      Number.isSafeInteger,
    ) &&
    memberOf(token, 'progress') instanceof Object &&
    typeof memberOf(definition, 'task') === 'string' &&
    typeof memberOf(definition, 'timeZone') === 'string'
  if (!fits) throw new MessageError('Expected the token of a schedule, got a message that lacks a part of it')
  return token as Token
}

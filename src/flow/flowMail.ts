/** Publishing what flows send: their steps, under ids that were fixed before, and their watchdog tokens. */
import { randomUUID } from 'node:crypto'
import { MessageError, PayloadTooLargeError, textOf, UnroutableError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { sendTraced } from '../observe/messagingSpans.js'
import type { Clock } from '../time/clock.js'
import type { DelayRoutes } from '../time/delayRoutes.js'
import type { Publish } from '../time/tokenMail.js'
import { queueKey } from '../wire/delayedKey.js'
import { encode } from '../wire/envelope.js'
import { encodeFlowMark, FLOW_ID } from '../wire/flowMark.js'
import { commandsExchange, domainOf, FLOWS_QUEUE, flowMemberId, flowTag, headers, laneKey } from '../wire/names.js'
import { newOnce } from '../wire/once.js'
import { celeryLink } from './celeryLink.js'
import type { PlanNode } from './plan.js'

export interface FlowMailOptions {
  readonly publish: Publish
  readonly routes: DelayRoutes
  readonly clock: Clock
  readonly confirmTimeoutMs: number
  readonly maxMessageBytes: number
}

/** A step that is to be sent. */
export interface Mailed {
  readonly flow: string
  /** When the flow began: the run of all its members, so that workers look whether one is done. */
  readonly startedAt: number
  readonly number: number
  readonly node: PlanNode
  readonly input: unknown
  /** Its worker adds the result that it takes. */
  readonly fetch: boolean
}

/** What looks after a flow: a message that comes back to the workers until the flow has ended. */
export interface FlowToken {
  readonly flow: string
  /** Counts its visits. */
  readonly visit: number
  readonly startedAt: number
  readonly deadline: number
  /** Whom to tell how it ended. */
  readonly reply: string
  /** The tasks for which a queue was seen. */
  readonly seen: readonly string[]
  /** How many nodes had been sent at its last visit; earlier versions of Warren do not say. */
  readonly sent?: number
}

export class FlowMail {
  readonly #options: FlowMailOptions

  constructor(options: FlowMailOptions) {
    this.#options = options
  }

  /** Sends a step. Whoever repeats this sends the same. Throws what publishing throws, and `InputError`. */
  async send({ flow, startedAt, number, node, input, fetch }: Mailed): Promise<void> {
    const { publish, clock, confirmTimeoutMs, maxMessageBytes } = this.#options
    const { task = '', expires, up, after, lane = '' } = node
    const id = flowMemberId(flow, number)
    const message = encode({
      ...{
        task,
        id,
        input,
        canvas: celeryLink(flow, number, up?.[0]),
        run: startedAt,
        rootId: flow,
        tags: [flowTag(flow)],
        sent: clock.now(),
      },
      parentId: after === undefined ? undefined : flowMemberId(flow, after),
      expires: expires === undefined ? undefined : new Date(expires),
    })
    if (message.content.length > maxMessageBytes) {
      throw new PayloadTooLargeError(task, message.content.length, maxMessageBytes)
    }
    Object.assign(message.properties.headers, newOnce(), {
      [headers.flow]: encodeFlowMark({ flow, node: number, gather: up?.[0], fetch }),
      ...(lane === '' ? {} : { [headers.lane]: lane }),
    })
    const exchange = commandsExchange(domainOf(task))
    const publication = { id, exchange, routingKey: laneKey(task, lane), message, confirmTimeoutMs }
    await sendTraced(publication, () => publish(publication))
  }

  /** Publishes a token that comes in `delayMs`, at least a second. Throws what publishing throws, and `DelaysMissingError`. */
  async passOn(token: FlowToken, delayMs: number): Promise<void> {
    const { publish, routes, confirmTimeoutMs } = this.#options
    const id = randomUUID()
    const message = {
      content: Buffer.from(JSON.stringify(token)),
      properties: {
        ...{ contentType: 'application/json', contentEncoding: 'utf-8', type: 'warren.flow', messageId: id },
        ...{ persistent: true as const, mandatory: true as const, headers: {} },
      },
    }
    const send = async (): Promise<void> => {
      const { exchange, routingKey, headers: way } = await routes.through(delayMs, queueKey(FLOWS_QUEUE))
      Object.assign(message.properties.headers, way)
      await publish({ id, exchange, routingKey, message, confirmTimeoutMs })
    }
    await send().catch((error: unknown) => {
      if (!(error instanceof UnroutableError)) throw error
      // Somebody deleted a part of a level, or declares it at this moment.
      routes.forget()
      return send()
    })
  }
}

/** Throws a `MessageError` for what is no token. */
export function decodeFlowToken(content: Buffer): FlowToken {
  let token: unknown
  try {
    token = JSON.parse(content.toString('utf8'))
  } catch (error) {
    throw new MessageError(`Expected the token of a flow, got no JSON: ${textOf(error)}`)
  }
  const flow = memberOf(token, 'flow')
  const numbers = ['visit', 'startedAt', 'deadline'].every((name) => Number.isSafeInteger(memberOf(token, name)))
  const fits = typeof flow === 'string' && FLOW_ID.test(flow) && numbers && Array.isArray(memberOf(token, 'seen'))
  if (!fits) throw new MessageError('Expected the token of a flow, got a message that lacks a part of it')
  return token as FlowToken
}

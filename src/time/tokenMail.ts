/** Publishes the messages of schedules: tokens for the next visit, and the tasks of ticks. */
import { randomUUID } from 'node:crypto'
import { type Context, ROOT_CONTEXT } from '@opentelemetry/api'
import { UnroutableError } from '../errors/index.js'
import { sendersContext, sendTraced } from '../observe/messagingSpans.js'
import { queueKey } from '../wire/delayedKey.js'
import { encode } from '../wire/envelope.js'
import { commandsExchange, domainOf, headers, ticksQueue } from '../wire/names.js'
import { newOnce } from '../wire/once.js'
import type { OutgoingMessage } from '../wire/outgoingMessage.js'
import type { DelayRoutes } from './delayRoutes.js'
import { tickId } from './tickId.js'
import { encodeToken, type Token } from './token.js'

/** Resolves on the broker's confirm: the producer's `publish`, which is in a higher room. */
export type Publish = (publication: {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  readonly message: OutgoingMessage
  readonly confirmTimeoutMs: number
}) => Promise<void>

type Sender = Pick<Token, 'schedule' | 'definition' | 'trace'>

export interface TokenMailOptions {
  readonly service: string
  readonly publish: Publish
  readonly routes: DelayRoutes
  readonly confirmTimeoutMs: number
}

/** The delay levels work in whole seconds. */
const SHORTEST_DELAY_MS = 1_000

export class TokenMail {
  readonly #options: TokenMailOptions

  constructor(options: TokenMailOptions) {
    this.#options = options
  }

  /**
   * Publishes a token, which arrives when it is due, or up to a second earlier. `atOnce`: straight to its queue, for which not
   * every user has the right. Throws like publishing, and `DelaysMissingError`.
   */
  async passOn(token: Token, now: number, atOnce = true): Promise<void> {
    const { service, publish, routes, confirmTimeoutMs } = this.#options
    const queue = ticksQueue(service)
    const leftMs = token.due - now
    const direct = atOnce && leftMs < SHORTEST_DELAY_MS
    const id = randomUUID()
    const message = encodeToken(token, id)
    const send = async (): Promise<void> => {
      const way = direct ? undefined : await routes.through(leftMs, queueKey(queue))
      const { exchange, routingKey } = way ?? { exchange: '', routingKey: queue }
      Object.assign(message.properties.headers, way?.headers)
      await publish({ id, exchange, routingKey, message, confirmTimeoutMs })
    }
    await send().catch((error: unknown) => {
      if (direct || !(error instanceof UnroutableError)) throw error
      // A part of a level was deleted, or is being declared at this moment.
      routes.forget()
      return send()
    })
  }

  /** Sends the task of a tick. Repeating this sends the same task. Throws like publishing. */
  async send(sender: Sender, tick: number): Promise<void> {
    const parent = sendersContext(sender.trace) ?? ROOT_CONTEXT
    await this.sendAs(sender, tickId(this.#options.service, sender.schedule, tick), { tick, run: tick }, parent)
  }

  /** Sends the task under an id, for a tick or without one. Throws like publishing. */
  async sendAs(
    sender: Sender,
    id: string,
    { tick, run }: { readonly tick?: number; readonly run?: number },
    parent?: Context,
  ): Promise<void> {
    const { publish, confirmTimeoutMs } = this.#options
    const { task, input } = sender.definition
    // A tick's task may exist in two copies: with a run, workers check whether it is done, and with the mark they run one at a
    // time.
    const message = encode({ task, id, input, run, sent: Date.now() })
    message.properties.headers[headers.schedule] = sender.schedule
    if (tick !== undefined) Object.assign(message.properties.headers, { [headers.tick]: tick, ...newOnce() })
    const publication = { id, exchange: commandsExchange(domainOf(task)), routingKey: task, message, confirmTimeoutMs }
    await sendTraced(publication, () => publish(publication), parent)
  }
}

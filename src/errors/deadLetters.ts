/** What keeps dead letters from being read or sent back. */
import { textOf, WarrenError } from './error.js'
import { identify } from './identity.js'

/**
 * A dead-letter queue cannot be read, or not any further. Nothing is lost: what was taken and not settled is in the
 * queue again.
 */
export class DeadLettersUnreadableError extends WarrenError {
  static {
    identify(DeadLettersUnreadableError, 'DeadLettersUnreadableError')
  }

  readonly queue: string
  constructor(queue: string, cause: unknown) {
    super(
      'DEAD_LETTERS_UNREADABLE',
      `The dead letters in ${queue} cannot be read: ${textOf(cause)}. Nothing is lost, and the same call can be made again. The operator predefines this queue (warren definitions); this user needs to read it.`,
      { retryable: true, cause },
    )
    this.queue = queue
  }
}

/** Another look at this queue could bring RabbitMQ to drop messages: each look counts as a delivery. */
export class DeliveryLimitNearError extends WarrenError {
  static {
    identify(DeliveryLimitNearError, 'DeliveryLimitNearError')
  }

  readonly queue: string
  constructor(queue: string, id: string, deliveries: number, limit: number) {
    super(
      'DELIVERY_LIMIT_NEAR',
      `Message ${id} in ${queue} was handed out ${deliveries} times, and RabbitMQ may drop it after ${limit}: each look counts. Give the queue a policy with a large delivery-limit (warren definitions prints one), then say so with \`deliveryLimit\`.`,
    )
    this.queue = queue
  }
}

/** A dead letter does not say where it came from, so it cannot be sent back there. It stays where it is. */
export class OriginUnknownError extends WarrenError {
  static {
    identify(OriginUnknownError, 'OriginUnknownError')
  }

  constructor() {
    super(
      'ORIGIN_UNKNOWN',
      "The message has neither Warren's headers nor x-death, so where it came from is not known. Send its content again by hand, or purge it.",
    )
  }
}

/** A domain's dead-letter exchange does not exist. What has failed is held until it does. */
export class DeadLetterExchangeMissingError extends WarrenError {
  static {
    identify(DeadLetterExchangeMissingError, 'DeadLetterExchangeMissingError')
  }

  readonly exchange: string
  constructor(exchange: string) {
    super(
      'DEAD_LETTER_EXCHANGE_MISSING',
      `Exchange ${exchange} does not exist: what fails cannot be dead-lettered and is held. Let the operator load what \`warren definitions --module <tasks> --service <service>\` prints, or start the worker with declareDeadLetters: true.`,
      { retryable: true },
    )
    this.exchange = exchange
  }
}

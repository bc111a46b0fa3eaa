/** Errors that prevent dead letters from being read or sent back. */
import { textOf, WarrenError } from './error.js'
import { identify } from './identity.js'

/**
 * A dead-letter queue cannot be read, or reading stopped. Nothing is lost: unsettled messages are back in the queue.
 */
export class DeadLettersUnreadableError extends WarrenError {
  static {
    identify(DeadLettersUnreadableError, 'DeadLettersUnreadableError')
  }

  readonly queue: string
  constructor(queue: string, cause: unknown) {
    super(
      'DEAD_LETTERS_UNREADABLE',
      `The dead letters in ${queue} cannot be read: ${textOf(cause)}. Nothing is lost, and you can repeat the call. The operator predefines this queue (warren definitions), and this user needs the right to read it.`,
      { retryable: true, cause },
    )
    this.queue = queue
  }
}

/** Inspecting this queue again could make RabbitMQ drop messages, because each inspection counts as a delivery. */
export class DeliveryLimitNearError extends WarrenError {
  static {
    identify(DeliveryLimitNearError, 'DeliveryLimitNearError')
  }

  readonly queue: string
  constructor(queue: string, id: string, deliveries: number, limit: number) {
    super(
      'DELIVERY_LIMIT_NEAR',
      `Message ${id} in ${queue} was delivered ${deliveries} times, and RabbitMQ may drop it after ${limit}, because each inspection counts. Give the queue a policy with a large delivery-limit (warren definitions prints one), and pass that limit as \`deliveryLimit\`.`,
    )
    this.queue = queue
  }
}

/** A dead letter does not name its origin, so it cannot be sent back. It stays where it is. */
export class OriginUnknownError extends WarrenError {
  static {
    identify(OriginUnknownError, 'OriginUnknownError')
  }

  constructor() {
    super(
      'ORIGIN_UNKNOWN',
      "The message has neither Warren's headers nor x-death, so its origin is unknown. Send its content again by hand, or purge it.",
    )
  }
}

/** A domain's dead-letter exchange does not exist. Failed messages are held until it does. */
export class DeadLetterExchangeMissingError extends WarrenError {
  static {
    identify(DeadLetterExchangeMissingError, 'DeadLetterExchangeMissingError')
  }

  readonly exchange: string
  constructor(exchange: string) {
    super(
      'DEAD_LETTER_EXCHANGE_MISSING',
      `Exchange ${exchange} does not exist: failed messages cannot be dead-lettered and are held. Have the operator load the output of \`warren definitions --module <tasks> --service <service>\`, or start the worker with declareDeadLetters: true.`,
      { retryable: true },
    )
    this.exchange = exchange
  }
}

/** What RabbitMQ refuses, or cannot do now. */
import { textOf, WarrenError } from './error.js'
import { identify } from './identity.js'

/** The broker has no queue for the message. It was not kept anywhere. */
export class UnroutableError extends WarrenError {
  static {
    identify(UnroutableError, 'UnroutableError')
  }

  readonly exchange: string
  readonly routingKey: string
  constructor(exchange: string, routingKey: string, reason: string) {
    super(
      'UNROUTABLE',
      `No queue takes ${routingKey} from exchange ${exchange || '(default)'}: ${reason}. Start the service that handles it once, so that it declares its queue, or check the task's name.`,
      { retryable: true },
    )
    this.exchange = exchange
    this.routingKey = routingKey
  }
}

/** The broker did not confirm the message before its deadline. It may or may not be in the queue. */
export class UnconfirmedError extends WarrenError {
  static {
    identify(UnconfirmedError, 'UnconfirmedError')
  }

  readonly id: string
  /** Whether the message was ever written to a connection. If not, it is certainly in no queue. */
  readonly written: boolean
  constructor(id: string, deadlineMs: number, written: boolean, lastProblem: string, cause?: unknown) {
    super(
      'UNCONFIRMED',
      `Message ${id} was not confirmed within ${deadlineMs} ms (${lastProblem}). ${
        written
          ? 'It may or may not be in the queue: send it again under the same id, and a worker that finds it done does not run it twice.'
          : 'It was never written to the broker: sending it again is safe.'
      }`,
      { retryable: true, cause },
    )
    this.id = id
    this.written = written
  }
}

/** No broker address answered. */
export class BrokerUnreachableError extends WarrenError {
  static {
    identify(BrokerUnreachableError, 'BrokerUnreachableError')
  }

  constructor(addresses: readonly string[], cause: unknown) {
    super(
      'BROKER_UNREACHABLE',
      `No RabbitMQ node answered at ${addresses.join(', ')} (${textOf(cause)}). Is the cluster running? Locally: npm start.`,
      { retryable: true, cause },
    )
  }
}

/** The broker knows the user but refuses, or does not know it: wrong password, virtual host or permission. */
export class AccessRefusedError extends WarrenError {
  static {
    identify(AccessRefusedError, 'AccessRefusedError')
  }

  constructor(address: string, cause: unknown) {
    super(
      'ACCESS_REFUSED',
      `RabbitMQ at ${address} refused access: ${textOf(cause)}. Check the user, its password, the virtual host and its permissions.`,
      { cause },
    )
  }
}

/** The queue exists with other properties than the task asks for, most often another type. */
export class QueueMismatchError extends WarrenError {
  static {
    identify(QueueMismatchError, 'QueueMismatchError')
  }

  readonly queue: string
  constructor(queue: string, expected: string, found: string, cause: unknown) {
    super(
      'QUEUE_MISMATCH',
      `Queue ${queue} exists as ${found}, and the task asks for ${expected}. A queue's type cannot be changed in place: drain the queue and delete it, and Warren declares it anew as ${expected}; or set queue.type back to what exists.`,
      { cause },
    )
    this.queue = queue
  }
}

/** The node that holds the queue is down, or a quorum queue has no majority. Warren comes back to it by itself. */
export class QueueUnavailableError extends WarrenError {
  static {
    identify(QueueUnavailableError, 'QueueUnavailableError')
  }

  readonly queue: string
  /** The node that a classic queue lives on, where RabbitMQ names it. */
  readonly node: string | undefined
  constructor(queue: string, cause: unknown) {
    const node = /home node '([^']+)'/.exec(textOf(cause))?.[1]
    super(
      'QUEUE_UNAVAILABLE',
      node === undefined
        ? `Queue ${queue} cannot be used now: ${textOf(cause)}. It is tried again, and other queues go on`
        : `Queue ${queue} lives on node ${node} alone, and that is down: start the node. The queue is then taken up again by itself; until then other queues go on`,
      { retryable: true, cause },
    )
    this.queue = queue
    this.node = node
  }
}

/** The delay levels do not exist, and this user may not declare them. */
export class DelaysMissingError extends WarrenError {
  static {
    identify(DelaysMissingError, 'DelaysMissingError')
  }

  constructor(refusal: string, cause: unknown) {
    super(
      'DELAYS_MISSING',
      `A message has to wait, but this virtual host has no delay levels (warren.delay.*) and this user may not declare them: ${refusal}. Ask the operator to load them: \`warren definitions\` prints them, and \`planDelays()\` returns them in code.`,
      { retryable: true, cause },
    )
  }
}

/** Errors for operations that RabbitMQ refuses or cannot perform now. */
import { textOf, WarrenError } from './error.js'
import { identify } from './identity.js'

/** The broker has no queue for the message and did not keep it. */
export class UnroutableError extends WarrenError {
  static {
    identify(UnroutableError, 'UnroutableError')
  }

  readonly exchange: string
  readonly routingKey: string
  constructor(exchange: string, routingKey: string, reason: string) {
    super(
      'UNROUTABLE',
      `No queue takes ${routingKey} from exchange ${exchange || '(default)'}: ${reason}. The message is in no queue. ${
        /exchange/i.test(reason)
          ? 'A worker declares the exchange and its queues when it starts: start one that handles the task, and check the virtual host in the address.'
          : "RabbitMQ does not report the cause. Either the queue was never declared: start a worker that handles the task, and check the task's name. Or the queue exists, and its node is down or RabbitMQ considers it down: the list of queues then shows it; send again when it is back."
      }`,
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
  /** What kept the broker from confirming it, as far as is known. */
  readonly problem: string
  constructor(id: string, deadlineMs: number, written: boolean, lastProblem: string, cause?: unknown) {
    super(
      'UNCONFIRMED',
      `Message ${id} was not confirmed within ${deadlineMs} ms (${lastProblem}). ${
        written
          ? 'It may or may not be in the queue. Send it again under the same id: a worker that finds a stored success does not run it again.'
          : 'It was never written to the broker: sending it again is safe.'
      }`,
      { retryable: true, cause },
    )
    this.id = id
    this.written = written
    this.problem = lastProblem
  }
}

/** No broker address could be used. */
export class BrokerUnreachableError extends WarrenError {
  static {
    identify(BrokerUnreachableError, 'BrokerUnreachableError')
  }

  /** @param problems - the last problem of each address */
  constructor(problems: ReadonlyMap<string, string>, cause: unknown) {
    const tried = [...problems].map(([address, problem]) => `${address} (${problem.trim()})`)
    super(
      'BROKER_UNREACHABLE',
      `No RabbitMQ node accepted the connection: ${tried.join(', ')}. Check the addresses, that a node runs there, and that it can be reached from here.`,
      { retryable: true, cause },
    )
  }
}

/** The broker refused access: wrong user, password, virtual host or permission. */
export class AccessRefusedError extends WarrenError {
  static {
    identify(AccessRefusedError, 'AccessRefusedError')
  }

  /** @param what - an address without secrets, or a queue or exchange with its name */
  constructor(what: string, cause: unknown) {
    const said = textOf(cause)
    super(
      'ACCESS_REFUSED',
      `RabbitMQ refused access to ${what}: ${said.replace(/[.\s]+$/, '')}. ${accessAdvice(said)}`,
      { cause },
    )
  }
}

function accessAdvice(said: string): string {
  if (/vhost .* not found/i.test(said)) {
    return 'There is no such virtual host: create it, or correct the end of the address.'
  }
  if (/login was refused/i.test(said)) return 'Check the user and its password.'
  if (/access to vhost/i.test(said)) return 'Grant the user permissions in this virtual host, or correct the address.'
  if (/access to (queue|exchange|topic)/i.test(said)) {
    return 'Grant the user the permission (configure, write or read) that this needs.'
  }
  return 'Check the user, its password, the virtual host and its permissions.'
}

/** The queue, or the exchange in front of it, exists with properties that differ from the task's, most often the type. */
export class QueueMismatchError extends WarrenError {
  static {
    identify(QueueMismatchError, 'QueueMismatchError')
  }

  readonly queue: string
  /** The exchange that differs, if the queue is not the cause. */
  readonly exchange: string | undefined
  constructor(queue: string, expected: string, found: string, cause: unknown, exchange?: string) {
    super(
      'QUEUE_MISMATCH',
      exchange === undefined
        ? `Queue ${queue} exists as ${found}, and the task asks for ${expected}. ${howToChange(expected)}`
        : `Exchange ${exchange}, which leads to queue ${queue}, exists with ${found}, and the task asks for ${expected}. An exchange cannot be changed in place: if nothing else uses it, delete it, and Warren declares it again; or give the task a name in another domain.`,
      { cause },
    )
    this.queue = queue
    this.exchange = exchange
  }
}

/** Users can choose the type; all other arguments are set only by Warren, or by an operator's policy. */
const howToChange = (expected: string): string =>
  / queue$/.test(expected)
    ? `A queue's type cannot be changed in place: drain the queue and delete it, and Warren declares it again as ${expected}; or set queue.type back to the existing type.`
    : `A queue cannot be changed in place: drain it and delete it, and Warren declares it again with ${expected}. Set other properties of a queue by a policy.`

/** The node that holds the queue is down, or a quorum queue has no majority. Warren consumes it again by itself. */
export class QueueUnavailableError extends WarrenError {
  static {
    identify(QueueUnavailableError, 'QueueUnavailableError')
  }

  readonly queue: string
  /** The node of a classic queue, if RabbitMQ names it. */
  readonly node: string | undefined
  constructor(queue: string, cause: unknown) {
    const said = textOf(cause)
    const node = /home node '([^']+)'/.exec(said)?.[1]
    super(
      'QUEUE_UNAVAILABLE',
      node === undefined
        ? `Queue ${queue} cannot be used now: ${said}. ${/took longer/.test(said) ? 'A quorum queue answers only with a majority of its nodes. ' : ''}Warren tries again by itself; other queues continue`
        : `Queue ${queue} exists only on node ${node}, and RabbitMQ reports that this node is down or cannot be reached: start the node. If the node is running, RabbitMQ considers the queue down: restart the node. Warren then consumes the queue again by itself; until then other queues continue`,
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
      `Messages cannot be delayed: this virtual host has no delay levels (warren.delay.*), and this user may not declare them: ${refusal}. Ask the operator to load them: \`warren definitions\` prints them, and \`planDelays()\` returns them in code.`,
      { retryable: true, cause },
    )
  }
}

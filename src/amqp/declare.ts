/**
 * Declares a service's plan on a broker. Each queue is declared on a separate channel, never on one that publishes or consumes,
 * because a refused declare closes its channel.
 */
import type { ChannelModel } from 'amqplib'
import { AccessRefusedError, QueueMismatchError, QueueUnavailableError, textOf } from '../errors/index.js'
import type { BindingPlan, ExchangePlan, QueuePlan, ServicePlan } from '../task/topology.js'
import { withCare } from './aside.js'
import { withChannel } from './channel.js'

/** One queue with its exchange and bindings. */
export interface QueueDeclaration {
  readonly exchange: ExchangePlan
  readonly queue: QueuePlan
  readonly binding: BindingPlan
}

/** Splits a plan by queue, so that a queue that cannot be declared does not block the others. */
export function declarationsOf(plan: ServicePlan): QueueDeclaration[] {
  return plan.bindings.flatMap((binding) => {
    const exchange = plan.exchanges.find(({ name }) => name === binding.exchange)
    const queue = plan.queues.find(({ name }) => name === binding.queue)
    return exchange === undefined || queue === undefined ? [] : [{ exchange, queue, binding }]
  })
}

/**
 * Declares an exchange, a queue and their binding; any of them may already exist.
 * Throws `QueueMismatchError`, `QueueUnavailableError` or `AccessRefusedError`.
 */
export async function declareQueue(model: ChannelModel, declaration: QueueDeclaration): Promise<void> {
  const { exchange, queue, binding } = declaration
  try {
    await withCare(model, queue.name, (line) =>
      withChannel(line, `declaring ${queue.name}`, async (channel) => {
        await channel.assertExchange(exchange.name, exchange.type, { durable: true })
        await channel.assertQueue(queue.name, {
          durable: true,
          arguments: { 'x-queue-type': queue.type, ...queue.arguments },
        })
        await channel.bindQueue(binding.queue, binding.exchange, binding.routingKey)
      }),
    )
  } catch (error) {
    throw explain(declaration, error)
  }
}

/** RabbitMQ's words: "inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is 'classic'". */
const INEQUIVALENT = /inequivalent arg '([^']+)' for (\w+).*?received (.+?) but current is (.+?)(?:$|")/

function explain({ exchange, queue }: QueueDeclaration, error: unknown): Error {
  const text = textOf(error)
  const code = (error as { code?: number }).code
  if (code === 406) {
    const [, argument, kind, received, current] = INEQUIVALENT.exec(text) ?? []
    const said = (value: string | undefined): string =>
      (value ?? 'something else').replace(/^the value '(.*)' of type '.*'$/, "'$1'").replaceAll("'", '')
    const [wanted, found] = [`${argument} = ${said(received)}`, `${argument} = ${said(current)}`]
    if (kind === 'exchange') return new QueueMismatchError(queue.name, wanted, found, error, exchange.name)
    return argument === 'x-queue-type' || argument === undefined
      ? new QueueMismatchError(queue.name, `a ${queue.type} queue`, `a ${said(current)} queue`, error)
      : new QueueMismatchError(queue.name, wanted, found, error)
  }
  // The failed object is the exchange, the queue or the binding: RabbitMQ's message names it.
  if (code === 403) return new AccessRefusedError(`queue ${queue.name}`, error)
  return new QueueUnavailableError(queue.name, error)
}

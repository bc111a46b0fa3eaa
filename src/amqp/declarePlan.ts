/** Declares a whole plan that an operator usually predefines, for services that may do it themselves. */
import type { Channel, ChannelModel } from 'amqplib'
import type { OperatorPlan } from '../task/topology.js'
import { withChannel } from './channel.js'

type Declared = Pick<OperatorPlan, 'exchanges' | 'queues' | 'bindings' | 'links'>

/** Any of it may already exist. Throws amqplib's error, with the broker's `code`, when the broker refuses a part. */
export const declarePlan = (model: ChannelModel, what: string, plan: Declared): Promise<void> =>
  withChannel(model, what, (channel) => declareAll(channel, plan))

async function declareAll(channel: Channel, { exchanges, queues, bindings, links = [] }: Declared): Promise<void> {
  for (const { name, type, arguments: given = {} } of exchanges) {
    await channel.assertExchange(name, type, { durable: true, arguments: given })
  }
  for (const { name, type, arguments: given = {} } of queues) {
    await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': type, ...given } })
  }
  for (const { exchange, queue, routingKey, arguments: given = {} } of bindings) {
    await channel.bindQueue(queue, exchange, routingKey, given)
  }
  for (const { from, to, routingKey, arguments: given = {} } of links) {
    await channel.bindExchange(to, from, routingKey, given)
  }
}

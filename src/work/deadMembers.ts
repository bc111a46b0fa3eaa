/**
 * Members of flows that RabbitMQ dead-letters by itself: at a quorum queue's delivery limit, at its TTL or its length limit.
 * No worker settles them, so a copy of each dead letter of a flow comes into the queue of tokens as well: from the domain's
 * dead-letter exchange over a headers exchange, which lets only what carries the header of flows pass.
 */
import type { ConsumeMessage } from 'amqplib'
import { withChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import { exchangeExists } from '../amqp/passive.js'
import { failedEnd, type MemberEnd } from '../flow/memberEnd.js'
import { readDeadLetter } from '../wire/deadLetter.js'
import { type FlowMark, flowMarkOf } from '../wire/flowMark.js'
import { deadLetterExchange, FLOWS_DEAD, FLOWS_QUEUE, headers } from '../wire/names.js'

export interface DeadMember {
  readonly mark: FlowMark
  readonly end: MemberEnd
}

/** Undefined for what is no dead letter of a flow's member. */
export function deadMemberOf(message: ConsumeMessage): DeadMember | undefined {
  const given: Readonly<Record<string, unknown>> = message.properties.headers ?? {}
  if (given['x-death'] === undefined && given[headers.reason] === undefined) return undefined
  const mark = flowMarkOf(given)
  if (mark === undefined) return undefined
  const { reason, why } = readDeadLetter(message)
  return { mark, end: failedEnd(mark.node, reason, why) }
}

/**
 * Lets the dead letters of these domains come. All of it may exist already. Throws what the broker refuses: then a member
 * that RabbitMQ dead-letters is noticed at its flow's deadline.
 */
export async function followDeadMembers({ model }: Connection, domains: readonly string[]): Promise<void> {
  if (model === undefined) throw new Error('no connection to the broker')
  await withChannel(model, `declaring ${FLOWS_DEAD}`, async (channel) => {
    await channel.assertExchange(FLOWS_DEAD, 'headers', { durable: true })
    // With no value it asks only whether the header is there. Names that begin with x- count only for the kinds `-with-x`.
    await channel.bindQueue(FLOWS_QUEUE, FLOWS_DEAD, '', { 'x-match': 'all-with-x', [headers.flow]: null })
  })
  for (const exchange of domains.map(deadLetterExchange)) {
    // The operator may still have to make it.
    if (!(await exchangeExists(model, exchange))) continue
    await withChannel(model, `binding ${FLOWS_DEAD}`, (channel) => channel.bindExchange(FLOWS_DEAD, exchange, '#'))
  }
}

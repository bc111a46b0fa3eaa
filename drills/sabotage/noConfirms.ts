/**
 * Sabotage: a producer that takes a message for sent as soon as it is written to its socket, as many clients do by
 * default. It exists to show that a drill fails when confirms are off. Never use it.
 */
import { randomUUID } from 'node:crypto'
import { type Channel, connect } from 'amqplib'
import { commandsExchange, domainOf } from 'warren'
import { createAccount, createInvoice } from '../../demo/tasks.js'
import type { Sender } from '../load.js'

export async function openNoConfirmsSender(broker: string): Promise<Sender> {
  let channel: Channel | undefined
  let closed = false
  let hangUp: () => Promise<void> = async () => {}

  const open = async (): Promise<void> => {
    const model = await connect(broker, { timeout: 5_000 })
    model.on('error', () => {})
    model.on('close', () => {
      channel = undefined
      if (!closed) void reopen()
    })
    hangUp = () => model.close()
    channel = await model.createChannel()
    channel.on('error', () => {})
  }
  const reopen = async (): Promise<void> => {
    await open().catch(() => {
      if (!closed) setTimeout(() => void reopen(), 100)
    })
  }
  await open()

  const send = async (task: string, input: object): Promise<string> => {
    const id = randomUUID()
    if (channel === undefined) throw new Error('not connected')
    channel.publish(commandsExchange(domainOf(task)), task, Buffer.from(JSON.stringify([[], input, {}])), {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: id,
      messageId: id,
      deliveryMode: 2,
      headers: { lang: 'js', task, id, root_id: id, parent_id: null, group: null, retries: 0 },
    })
    // This is the sabotage: nothing waits for the broker.
    return id
  }
  return {
    account: (input) => send(createAccount.name, input),
    invoice: (input) => send(createInvoice.name, input),
    close: async () => {
      closed = true
      await hangUp().catch(() => undefined)
    },
  }
}

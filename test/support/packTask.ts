/** A task that is sent in packs, and packs of it as a sender writes them. */
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import { encode } from '../../src/wire/envelope.js'
import { encodePack, packedMember } from '../../src/wire/pack.js'
import { type MessageParts, queueOf } from './harness/index.js'

export const input = z.object({ n: z.number(), text: z.string().optional() })
export const task = defineTask({
  name: 'payment.pack.member',
  input,
  pack: {},
  retry: { maxAttempts: 2, initialDelayMs: 100 },
})
export const QUEUE = queueOf(task)

export const encoded = (id: string, n: number, more: object = {}) =>
  encode({ task: task.name, id, input: { n }, ...more })

/** A pack as a sender writes it; its inputs count from `first` on. */
export function packOf(ids: readonly string[], parts: MessageParts = {}, first = 0): MessageParts {
  const messages = ids.map((id, index) => encoded(id, first + index))
  const like = messages[0] as ReturnType<typeof encoded>
  const { content, properties } = encodePack('the-pack', like, messages.map(packedMember))
  return {
    ...{ content, exchange: 'payment.commands', routingKey: task.name },
    ...parts,
    properties: { ...properties, headers: { ...properties.headers, ...(parts.properties?.headers as object) } },
  }
}

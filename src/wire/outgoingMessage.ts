/** A message that is ready for the broker. */
import type { Options } from 'amqplib'

/** A message as amqplib publishes it. `messageId` is the publication's `id`: a returned message is found by it. */
export interface OutgoingMessage {
  readonly content: Buffer
  readonly properties: Options.Publish & {
    readonly messageId: string
    readonly mandatory: true
    readonly headers: Record<string, unknown>
  }
}

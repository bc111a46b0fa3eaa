/**
 * Returns the messages that a scan holds to their queue, in their original order. Measured on RabbitMQ 3.10.8: a
 * quorum queue returns the messages of one command in no order once they are more than 32, and merges commands that come
 * before it has carried out 32 earlier ones. So they are returned in small portions, with a wait for the queue in between.
 */
import type { Channel, ConsumeMessage } from 'amqplib'
import { pause } from '../timers.js'

/** How many messages are returned with one command, and after how many commands to wait for the queue. */
const RETURN_PORTION = 32
const RETURN_COMMANDS = 16
/** How often to check whether the queue has the messages back: at once, then after a pause, then no more. */
const LOOKS_AT_ONCE = 20
const LOOKS_UNTIL_RETURNED = 120
const RETURN_LOOK_MS = 20

/**
 * @param unsettled delivery tags of all that is held, lowest first
 * @param fetched those of them that `basic.get` gave, and no consumer
 * @param ready how many messages are ready in the queue
 */
export async function giveBack(
  channel: Pick<Channel, 'nack'>,
  unsettled: ReadonlySet<number>,
  fetched: ReadonlySet<number>,
  ready: () => Promise<number>,
): Promise<void> {
  if (unsettled.size === 0) return
  const before = await ready()
  let returned = 0
  let last = 0
  let portion = 0
  let commands = 0
  const send = (): void => {
    // amqplib reads nothing else of the message.
    if (portion > 0) channel.nack({ fields: { deliveryTag: last } } as ConsumeMessage, true, true)
    if (portion > 0) commands++
    portion = 0
  }
  for (const tag of unsettled) {
    // Each command returns first what `basic.get` gave, then the rest: so these go alone.
    const alone = fetched.has(tag)
    if (alone) send()
    last = tag
    returned++
    portion++
    if (alone || portion === RETURN_PORTION) send()
    if (commands < RETURN_COMMANDS) continue
    commands = 0
    await untilReady(ready, before + returned - portion)
  }
  send()
  // So that the next inspection finds all messages.
  await untilReady(ready, before + returned)
}

/** Waits until the queue has the returned messages; there is no confirm for that. Other consumers may take some of them. */
async function untilReady(ready: () => Promise<number>, count: number): Promise<void> {
  for (let looks = 0; looks < LOOKS_UNTIL_RETURNED && (await ready()) < count; looks++) {
    if (looks >= LOOKS_AT_ONCE) await pause(RETURN_LOOK_MS)
  }
}

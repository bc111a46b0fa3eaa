/** The sender of every drill that is not sabotaged: Warren's own producer. */

import { connect, type Warren } from 'warren'
import { createAccount, createInvoice } from '../demo/tasks.js'
import type { Sender } from './load.js'
import type { Timeline } from './timeline.js'

export interface SenderOptions {
  readonly broker: string | readonly string[]
  readonly heartbeatSeconds?: number
  /** Tasks that are sent at the same time share messages. */
  readonly packs?: boolean
}

const PACK = { maxTasks: 64, maxBytes: 65_536 }

export async function openWarrenSender(
  { packs = false, ...options }: SenderOptions,
  timeline: Timeline,
): Promise<Sender> {
  // Workers take packs of any task.
  const [account, invoice] = [createAccount, createInvoice].map((task) => (packs ? { ...task, pack: PACK } : task)) as [
    typeof createAccount,
    typeof createInvoice,
  ]
  const warren = await connect({ name: 'drill', logger: false, ...options })
  tell(warren, timeline)
  return {
    account: async (input, at) => (await warren.send(account, input, { at })).id,
    invoice: async (input, at) => (await warren.send(invoice, input, { at })).id,
    close: () => warren.close(),
  }
}

/** What the producer says of itself, in words. */
function tell(warren: Warren, timeline: Timeline): void {
  let away = false
  warren.on('connectionState', ({ state, reason, epoch }) => {
    if (state === 'waiting' && epoch > 0 && !away) {
      away = true
      timeline.mark('seen', `The producer lost its connection (${reason ?? 'no reason given'}) and reconnects`)
    } else if (state === 'open' && away) {
      away = false
      timeline.mark('seen', 'The producer is connected again')
    }
  })
  warren.on('republished', ({ count }) =>
    timeline.mark('seen', `The producer sends ${count} unconfirmed ${count === 1 ? 'message' : 'messages'} again`),
  )
  warren.on('blocked', ({ reason }) => timeline.mark('seen', `RabbitMQ blocks publishers: ${reason}`))
  warren.on('unblocked', ({ blockedMs }) =>
    timeline.mark('seen', `RabbitMQ accepts messages again, after ${(blockedMs / 1000).toFixed(1)} s`),
  )
}

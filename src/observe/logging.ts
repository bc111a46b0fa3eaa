/**
 * Log lines: listeners of the events, and nothing else. One line for each notable event (a connection or queue is lost or back,
 * a dead letter), none for normal operation.
 */
import type { EventEmitter } from 'node:events'
import { textOf } from '../errors/index.js'
import type { Logger } from '../task/logger.js'
import type { WarrenEvents, WorkerEvents } from './events.js'

export function logWarren(warren: EventEmitter<WarrenEvents>, log: Logger): void {
  const away = new Set<string>()
  warren.on('connectionState', ({ role, state, address, reason, epoch }) => {
    if (state === 'waiting' && epoch > 0 && !away.has(role)) {
      away.add(role)
      log.warn({ role, address, reason }, `The ${role} connection to ${address} was lost (${reason}); reconnecting`)
    } else if (state === 'open' && away.delete(role)) {
      log.info({ role, address, epoch }, `The ${role} connection is back, to ${address}`)
    }
  })
  warren.on('blocked', ({ role, reason }) =>
    log.warn({ role, reason }, `RabbitMQ blocks publishers (${reason}): sends wait, consuming continues`),
  )
  warren.on('unblocked', ({ role, blockedMs }) => log.info({ role, blockedMs }, 'RabbitMQ accepts messages again'))
  warren.on('republished', ({ count, reason }) =>
    log.warn({ count, reason }, `${count} unconfirmed messages are published again (${reason})`),
  )
  warren.on('storeState', ({ state, address, reason }) => {
    if (state === 'available') log.info({ address }, `The result store at ${address} answers`)
    else log.warn({ address, reason }, `The result store at ${address} is away (${reason}); results wait for it`)
  })
  warren.on('resultsRestored', ({ count, address }) =>
    log.warn(
      { count, address },
      `The result store at ${address} lacked ${count} results that were stored before; they are there again`,
    ),
  )
}

export function logWorker(worker: EventEmitter<WorkerEvents> & { readonly service: string }, log: Logger): void {
  const lost = new Set<string>()
  const away = new Set<string>()
  worker.on('consumerState', ({ queue, state, reason }) => {
    if (state === 'consuming') {
      lost.delete(queue)
      if (away.delete(queue)) log.info({ queue }, `Consuming ${queue} again`)
    } else if (state === 'waiting') {
      // The loss alone has little information and is often repaired at once; the first failed attempt has the reason. It may
      // fail many times for one loss, which is logged once.
      if (lost.has(queue) && !away.has(queue)) {
        away.add(queue)
        log.warn({ queue }, `Not consuming ${queue}: ${reason}`)
      }
      lost.add(queue)
    }
  })
  worker.on('deadLettered', ({ id, task, number, exchange, reason, error }) =>
    log.warn(
      { id, task, attempt: number, exchange, reason },
      `Task ${task} ${id} was dead-lettered to ${exchange} (${reason}): ${textOf(error)}`,
    ),
  )
  worker.on('settleDelayed', ({ id, task, waitingFor, error }) =>
    log.warn({ id, task, waitingFor }, `Task ${task} ${id} is held until the ${waitingFor} answers: ${textOf(error)}`),
  )
  worker.on('tick', ({ service, schedule, tick, action, reason }) => {
    const at = tick.toISOString()
    if (action === 'failed') log.warn({ service, schedule, tick: at }, `Schedule ${schedule} cannot send: ${reason}`)
    if (reason !== 'missed') return
    log.warn({ service, schedule, tick: at }, `Schedule ${schedule} skips its tick of ${at}: it is too late for it`)
  })
  worker.on('workerState', ({ state }) => log.info({ service: worker.service, state }, `Worker ${state}`))
}

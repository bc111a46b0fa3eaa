/** Reports what goes wrong in a worker to an error monitor: retries as warnings, dead letters as errors. */
import type { Worker } from 'warren'

/** The part of the monitor that is used. The namespace of `@sentry/node` fits as it is. */
export interface ErrorMonitor {
  captureException(
    error: unknown,
    context: { level: 'warning' | 'error'; tags: Record<string, string | number>; fingerprint: string[] },
  ): unknown
}

export function reportErrors(worker: Worker, monitor: ErrorMonitor): void {
  worker.on('attemptFinished', ({ id, task, queue, number, outcome, error }) => {
    if (outcome !== 'retried') return // dead letters are reported below, with their reason
    monitor.captureException(error, {
      level: 'warning',
      tags: { task, id, queue, attempt: number },
      fingerprint: ['{{ default }}', task],
    })
  })
  worker.on('deadLettered', ({ id, task, queue, number, reason, error }) => {
    if (reason === 'rejected') return // a handler threw Reject: it expected this
    monitor.captureException(error, {
      level: 'error',
      tags: { task, id, queue, attempt: number, reason },
      fingerprint: ['{{ default }}', task, reason],
    })
  })
}

/** The same with Sentry: its set-up, and a scope for each attempt. */
import * as Sentry from '@sentry/node'
import type { Handler, Worker } from 'warren'
import { reportErrors } from '../how-to/errorMonitoring.js'

export function useSentry(worker: Worker, options: Sentry.NodeOptions): void {
  Sentry.init(options)
  reportErrors(worker, Sentry)
}

/** Handlers run concurrently: what one of them sets stays in its own scope. */
export const scoped =
  <Input, Returned>(handler: Handler<Input, Returned>): Handler<Input, Returned> =>
  (input, attempt) =>
    Sentry.withIsolationScope((scope) => {
      scope.setTag('task', attempt.task).setTag('id', attempt.id)
      return handler(input, attempt)
    })

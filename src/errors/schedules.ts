/** Errors of schedules. */
import { WarrenError } from './error.js'
import { identify } from './identity.js'

/** The service has no schedule with this id. */
export class UnknownScheduleError extends WarrenError {
  static {
    identify(UnknownScheduleError, 'UnknownScheduleError')
  }

  readonly schedule: string
  constructor(service: string, schedule: string) {
    super(
      'UNKNOWN_SCHEDULE',
      `Service ${service} has no schedule ${JSON.stringify(schedule)}: it was never created, or was removed. See schedules.list() or warren schedule list.`,
    )
    this.schedule = schedule
  }
}

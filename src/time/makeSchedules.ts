/** `warren.schedules(options)`: finds the service. */
import { OptionsError } from '../errors/index.js'
import { settleOptions } from '../options.js'
import { Schedules, type SchedulesDependencies } from './schedules.js'
import { isService, type SchedulesOptions } from './schedulesOptions.js'

/** `services` are those of the workers created on the same connection. */
export function makeSchedules(
  options: SchedulesOptions,
  services: ReadonlySet<string>,
  dependencies: SchedulesDependencies,
): Schedules {
  const { service } = settleOptions('schedules', options, { service: isService }, {})
  const [only, another] = services
  const chosen = service ?? (another === undefined ? only : undefined)
  if (chosen !== undefined) return new Schedules(chosen, dependencies)
  const got =
    only === undefined ? 'none, and this connection has no worker' : `none, and workers of ${[...services].join(', ')}`
  throw new OptionsError('schedules', [`expected \`service\`, whose workers run the schedules, got: ${got}`])
}

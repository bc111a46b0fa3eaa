/** Adapts Nest's logger for Warren: fields are appended to the message as JSON. */
import { Logger as NestLogger } from '@nestjs/common'
import type { Logger } from 'warren'

export function nestLogger(context = 'Warren'): Logger {
  const nest = new NestLogger(context)
  const withFields = (of: object): Logger => {
    const line = (fields: object, message: string): string => {
      const all = { ...of, ...fields }
      return Object.keys(all).length === 0 ? message : `${message} ${JSON.stringify(all)}`
    }
    return {
      debug: (fields: object, message: string) => nest.debug(line(fields, message)),
      info: (fields: object, message: string) => nest.log(line(fields, message)),
      warn: (fields: object, message: string) => nest.warn(line(fields, message)),
      error: (fields: object, message: string) => nest.error(line(fields, message)),
      child: (fields: object) => withFields({ ...of, ...fields }),
    }
  }
  return withFields({})
}

/** The id of the task that a schedule's tick sends; the same in every process. Pure. */
import { uuid5 } from '../wire/uuid.js'

/** Generated once, at random. */
const NAMESPACE = Buffer.from('5f0c3d5e9a7b4c1e8d2f6a4b0e9c7d31', 'hex')

export const tickId = (service: string, schedule: string, tick: number): string =>
  uuid5(NAMESPACE, `${service}:${tick}:${schedule}`)

/** The id of the task that a schedule's tick sends: the same for everybody who sends it. Pure. */
import { createHash } from 'node:crypto'

/** Made once, at random. */
const NAMESPACE = Buffer.from('5f0c3d5e9a7b4c1e8d2f6a4b0e9c7d31', 'hex')

/** A UUID of version 5 (RFC 9562) of the schedule and the tick. */
export function tickId(service: string, schedule: string, tick: number): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(`${service}:${tick}:${schedule}`).digest().subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

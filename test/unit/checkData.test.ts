/** config/rabbitmq/check-data.sh: an image that would lose what is in the volume does not start on it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'

const script = fileURLToPath(new URL('../../config/rabbitmq/check-data.sh', import.meta.url))
const MNESIA = '[classic_queue_type_delivery_support,quorum_queue,stream_queue].'
const KHEPRI = '[classic_queue_type_delivery_support,khepri_db,\n quorum_queue].'

let data: string
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'warren-data-'))
})
afterEach(() => rmSync(data, { recursive: true }))

/** A volume that a node has used, written by `version` where the script was there already. */
function used(flags: string, version?: string): void {
  mkdirSync(join(data, 'mnesia', 'rabbit@rabbitmq-1'), { recursive: true })
  writeFileSync(join(data, 'mnesia', 'rabbit@rabbitmq-1-feature_flags'), flags)
  if (version !== undefined) writeFileSync(note(), `${version}\n`)
}
const note = () => join(data, '.warren-rabbitmq-version')

function start(version: string): string {
  try {
    execFileSync('sh', [script, data, version], { stdio: 'pipe' })
    return 'starts'
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr)
  }
}

it.each(['4.0.5', '4.1.3', '4.2.1', '4.3.6', '5.0.0'])('starts %s on a new volume, and notes it', (version) => {
  expect(start(version)).toBe('starts')
  expect(readFileSync(note(), 'utf8')).toBe(`${version}\n`)
})

it.each([
  ['4.0.5', '4.3.6'],
  ['4.1.3', '4.3.0'],
  ['4.2.1', '4.4.0'],
  [undefined, '4.3.6'],
])('refuses data of %s without Khepri for %s, and says the way', (before, version) => {
  used(MNESIA, before)
  const said = start(version)
  expect(said).toContain(
    `Not starting RabbitMQ ${version} on this volume: its data is of RabbitMQ ${before ?? '4.2 or older'}`,
  )
  expect(said).toContain('Start it with RabbitMQ 4.2 first')
  expect(said).toContain('enable_feature_flag khepri_db')
  expect(existsSync(note()) ? readFileSync(note(), 'utf8') : undefined).toBe(before && `${before}\n`)
})

it.each([
  [MNESIA, '4.0.5', '4.1.0'],
  [MNESIA, '4.1.0', '4.2.3'],
  [MNESIA, undefined, '4.1.0'],
  [KHEPRI, '4.2.3', '4.3.6'],
  [KHEPRI, undefined, '4.3.6'],
  // A later version, in which the flag is in no list any more.
  [MNESIA, '4.3.6', '4.4.0'],
  [MNESIA, '4.0.5', '4.0.5'],
])('lets %s of %s go on with %s', (flags, before, version) => {
  used(flags, before)
  expect(start(version)).toBe('starts')
})

it('refuses to go back', () => {
  used(KHEPRI, '4.3.6')
  expect(start('4.2.0')).toContain('RabbitMQ has no way back')
  expect(start('4.3.1')).toBe('starts')
})

it('starts where the image does not say its version', () => {
  used(MNESIA)
  expect(start('unknown')).toBe('starts')
})

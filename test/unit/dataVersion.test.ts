/** A version of RabbitMQ does not start on data that it would lose. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { checkDataVersion, versionNote } from '../../cluster/dataVersion.js'
import { type Settings, settle } from '../../cluster/settings.js'

let folder: string
let settings: Settings
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warren-data-'))
  settings = settle({ dir: folder })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What a cluster leaves behind. */
function formed(by: string | undefined, flags: string): void {
  writeFileSync(settings.folder.formedMark, `2026-11-24T10:52:21.123Z${by === undefined ? '' : ` ${by}`}\n`)
  for (const node of [1, 2, 3]) {
    const file = settings.folder.of(`rabbitmq-${node}`, 'data', 'node-feature_flags')
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, flags)
  }
}
const MNESIA = '[quorum_queue,stream_queue].'
const KHEPRI = '[khepri_db,quorum_queue].'

it.each<[string | undefined, string, [number, number]]>([
  [versionNote([3, 10]), MNESIA, [3, 10]],
  [versionNote([3, 10]), MNESIA, [4, 0]],
  [undefined, MNESIA, [4, 0]],
  [versionNote([4, 2]), KHEPRI, [4, 3]],
  [undefined, KHEPRI, [4, 3]],
  [versionNote([4, 3]), MNESIA, [4, 4]],
])('data of %s (%s) is taken over by %j', (by, flags, now) => {
  formed(by, flags)
  expect(() => checkDataVersion(settings, now)).not.toThrow()
})

it.each<[string | undefined, string, [number, number], string]>([
  [versionNote([4, 0]), MNESIA, [4, 3], 'is of RabbitMQ 4.0, and installed is RabbitMQ 4.3: it would be lost'],
  [undefined, MNESIA, [4, 3], 'is of an earlier version of RabbitMQ, and installed is RabbitMQ 4.3: it would be lost'],
  [
    versionNote([4, 3]),
    KHEPRI,
    [4, 0],
    'is of RabbitMQ 4.3, and installed is RabbitMQ 4.0: RabbitMQ cannot be downgraded',
  ],
])('data of %s (%s) is refused by %j', (by, flags, now, said) => {
  formed(by, flags)
  expect(() => checkDataVersion(settings, now)).toThrow(said)
})

it('a folder without a formed cluster holds nothing to lose', () => {
  expect(() => checkDataVersion(settings, [4, 3])).not.toThrow()
})

/**
 * Whether a version of RabbitMQ may start on the data that the cluster's folder holds. From 4.3 on RabbitMQ keeps its metadata
 * in Khepri alone: on data of an older version without the feature flag `khepri_db` it comes up empty, and what was in the
 * queues is gone. The same is checked in containers by config/rabbitmq/check-data.sh.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { Binaries } from './binaries.js'
import { ClusterError } from './errors.js'
import { NODE_NUMBERS } from './ports.js'
import { nodeName } from './rabbitmqNode.js'
import type { Settings } from './settings.js'

type Version = Binaries['rabbitmqVersion']

const KHEPRI_ALONE: Version = [4, 3]

/** What the mark of a cluster that was formed says of the version that formed it. */
export const versionNote = ([major, minor]: Version): string => `RabbitMQ ${major}.${minor}`

const isBefore = (a: Version, b: Version): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])

/** Throws `ClusterError` for data that this version would lose. The mark was written by the version that ran last. */
export function checkDataVersion({ folder }: Settings, now: Version): void {
  if (!existsSync(folder.formedMark)) return
  const [, major, minor] = /RabbitMQ (\d+)\.(\d+)/.exec(readFileSync(folder.formedMark, 'utf8')) ?? []
  const before: Version | undefined = major === undefined ? undefined : [Number(major), Number(minor)]
  const lost =
    before !== undefined && isBefore(now, before)
      ? 'RabbitMQ cannot be downgraded'
      : !isBefore(now, KHEPRI_ALONE) && (before === undefined || isBefore(before, KHEPRI_ALONE)) && !hasKhepri(folder)
        ? 'it would be lost'
        : undefined
  if (lost === undefined) return
  const found = before === undefined ? 'an earlier version of RabbitMQ' : versionNote(before)
  throw new ClusterError(
    'WRONG_STATE',
    `The data in ${folder.path} is of ${found}, and installed is ${versionNote(now)}: ${lost}. Run the earlier version once more (WARREN_RABBITMQ_HOME names another installation) and empty the queues, or remove the folder. docs/guide/upgrading.md has the steps.`,
  )
}

/** RabbitMQ keeps the feature flags that a node has on in a file beside its data. */
const hasKhepri = (folder: Settings['folder']): boolean =>
  NODE_NUMBERS.every((node) => {
    const file = folder.of(nodeName(node), 'data', 'node-feature_flags')
    return existsSync(file) && readFileSync(file, 'utf8').includes('khepri_db')
  })

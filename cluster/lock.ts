/**
 * At most one launcher per folder. The lock names its owner by pid and start time, so that one left by a launcher that
 * was killed is told apart from one that is held.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { ClusterError } from './errors.js'
import type { Folder } from './folder.js'
import { identify, isAlive, type ProcessIdentity } from './processIdentity.js'

/** The launcher that holds the folder's lock now, if any. */
export function lockOwner(folder: Folder): ProcessIdentity | undefined {
  try {
    const owner = JSON.parse(readFileSync(folder.lock, 'utf8')) as ProcessIdentity
    return isAlive(owner) ? owner : undefined
  } catch {
    return undefined
  }
}

/** Takes the lock, or throws naming who holds it. Says whether a dead launcher's lock was in the way. */
export function takeLock(folder: Folder): { stale: boolean } {
  const self = JSON.stringify(identify(process.pid))
  for (let stale = false; ; stale = true) {
    try {
      writeFileSync(folder.lock, self, { flag: 'wx', mode: 0o600 })
      return { stale }
    } catch (problem) {
      if ((problem as NodeJS.ErrnoException).code !== 'EEXIST') throw problem
    }
    const owner = lockOwner(folder)
    if (owner !== undefined || stale) {
      throw new ClusterError(
        'ALREADY_RUNNING',
        `Warren is already running in ${folder.path}, as process ${owner?.pid ?? 'unknown'}. Stop it first (Ctrl-C in its terminal, or: kill ${owner?.pid ?? '<pid>'}), or use another folder.`,
      )
    }
    rmSync(folder.lock, { force: true })
  }
}

export const releaseLock = (folder: Folder): void => rmSync(folder.lock, { force: true })

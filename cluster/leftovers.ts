/**
 * What a launcher that was killed left running. Each process has a file with its pid and start time; only a process
 * that fits both is ended.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Folder } from './folder.js'
import { SIGTERM_INTERVAL_MS } from './managedProcess.js'
import { isAlive, type ProcessIdentity, signalGroup } from './processIdentity.js'
import { waitFor } from './readiness.js'

/** How long a leftover may take to stop by itself before it is killed. */
const STOP_TIMEOUT_MS = 15_000

interface Leftover extends ProcessIdentity {
  readonly name: string
}

function findLeftovers(folder: Folder): Leftover[] {
  return readdirSync(folder.runFolder).flatMap((file) => {
    try {
      const identity = JSON.parse(readFileSync(join(folder.runFolder, file), 'utf8')) as ProcessIdentity
      return isAlive(identity) ? [{ ...identity, name: file.replace(/\.json$/, '') }] : []
    } catch {
      return []
    }
  })
}

/** Ends them all, and says which. Nodes go before the port mapper: one that misses it hangs in the middle of its boot. */
export async function endLeftovers(folder: Folder, say: (line: string) => void): Promise<void> {
  const leftovers = findLeftovers(folder)
  if (leftovers.length > 0) {
    const list = leftovers.map(({ name, pid }) => `${name} (${pid})`).join(', ')
    say(`an earlier launcher was killed and left processes behind; ending them: ${list}`)
  }
  await end(leftovers.filter(({ name }) => name !== 'epmd'))
  await end(leftovers.filter(({ name }) => name === 'epmd'))
  for (const file of readdirSync(folder.runFolder)) rmSync(join(folder.runFolder, file), { force: true })
}

async function end(leftovers: readonly Leftover[]): Promise<void> {
  let signalled = Date.now()
  const gone = async () => {
    const left = leftovers.filter(isAlive)
    // A node that had just begun to boot loses the first SIGTERM. Others might take a second one for impatience.
    if (Date.now() - signalled >= SIGTERM_INTERVAL_MS) {
      signalled = Date.now()
      for (const each of left.filter(({ name }) => name.startsWith('rabbitmq-'))) signalGroup(each, 'SIGTERM')
    }
    return left.length === 0 ? undefined : `${left.map(({ name }) => name).join(', ')} still there`
  }
  for (const each of leftovers) {
    signalGroup(each, 'SIGTERM')
    signalGroup(each, 'SIGCONT')
  }
  await waitFor('the end of leftover processes', gone, { timeoutMs: STOP_TIMEOUT_MS }).catch(async () => {
    for (const each of leftovers) signalGroup(each, 'SIGKILL')
    await waitFor('the end of killed leftover processes', gone, { timeoutMs: STOP_TIMEOUT_MS })
  })
}

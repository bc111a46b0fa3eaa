/** Workers that are killed at a step of a tick: see `tickVictim.mjs`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ClusterUrls } from './cluster.js'

/** Before the visit is claimed, and after each of the five steps. */
export const STEPS = [0, 1, 2, 3, 4, 5] as const

const SCRIPT = fileURLToPath(new URL('tickVictim.mjs', import.meta.url))

export function startTickVictim(urls: ClusterUrls, service: string, step: number | 'none') {
  const child = spawn(process.execPath, [SCRIPT, urls.broker, urls.results, service, String(step)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit') as Promise<[code: number | null, signal: NodeJS.Signals | null]>
  return { ended, kill: () => child.kill('SIGKILL') }
}

/**
 * Which process a pid stands for. The kernel gives pids out again, so a pid alone must never be signalled: a process is
 * known by its pid together with the moment it started (field 22 of /proc/<pid>/stat).
 */
import { readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** In clock ticks since boot; opaque, only compared. */
  readonly startTime: string
}

/** The identity of a live process, or undefined when there is none (a zombie counts as none). */
export function identify(pid: number): ProcessIdentity | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The command name stands in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  const startTime = fields[19]
  return startTime === undefined || state === 'Z' || state === 'X' ? undefined : { pid, startTime }
}

export const isAlive = ({ pid, startTime }: ProcessIdentity): boolean => identify(pid)?.startTime === startTime

/** Signals the process group that `leader` leads. False when it is gone. */
export function signalGroup(leader: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(leader)) return false
  try {
    process.kill(-leader.pid, signal)
    return true
  } catch {
    return false
  }
}

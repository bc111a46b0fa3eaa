/** What processes use, as Linux tells it under /proc. */
import { readFileSync } from 'node:fs'

/** Linux counts CPU time in hundredths of a second, on every machine that Node runs on. */
const TICKS_PER_SECOND = 100

/** CPU time of a process and of all below it, in seconds, ended ones that were waited for included. 0 when it is gone. */
export function cpuSecondsOf(pid: number): number {
  const text = read(`/proc/${pid}/stat`)
  if (text === undefined) return 0
  // The name, in parentheses, may hold anything; numbers follow its last closing one, the third field first.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const own = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0) / TICKS_PER_SECOND
  return childrenOf(pid).reduce((sum, child) => sum + cpuSecondsOf(child), own)
}

/** Resident memory of a process and of all below it, in bytes. */
export function rssBytesOf(pid: number): number {
  const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0)
  return childrenOf(pid).reduce((sum, child) => sum + rssBytesOf(child), kilobytes * 1024)
}

/** CPU time of the whole machine in seconds, idle time left out. */
export function machineCpuSeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (read('/proc/stat') ?? '')
    .split('\n', 1)
    .flatMap((line) => line.split(/\s+/))
    .map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
}

function childrenOf(pid: number): number[] {
  const text = read(`/proc/${pid}/task/${pid}/children`) ?? ''
  return text.split(' ').filter(Boolean).map(Number)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

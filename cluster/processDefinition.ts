/** What a process of the cluster is made of, and the states it may be in. */
import type { Fact } from './readiness.js'

/**
 * - `stopped`: not there, and nobody wants it to be
 * - `starting`: spawned, not ready yet
 * - `running`: ready
 * - `frozen`: paused with SIGSTOP; its sockets stay open and answer nothing
 * - `stopping`: told to end, not gone yet
 * - `exited`: ended by itself; stays so until somebody starts it
 * - `restarting`: ended by itself, and waits for its back-off to be started again
 */
export type ProcessState = 'stopped' | 'starting' | 'running' | 'frozen' | 'stopping' | 'exited' | 'restarting'

export type ProcessKind = 'epmd' | 'rabbitmq' | 'haproxy' | 'store' | 'sentinel' | 'prometheus' | 'console' | 'worker'

export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  /** The whole environment: nothing else is passed on. */
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
}

export interface ProcessDefinition {
  readonly name: string
  readonly kind: ProcessKind
  readonly ports: readonly number[]
  readonly logFile: string
  readonly pidFile: string
  /** Writes what the process needs and says how to start it; called before each start. */
  readonly launch: () => Launch
  readonly ready: Fact
  readonly readyTimeoutMs: number
  /** How long it may take to end after SIGTERM before it is killed. */
  readonly stopTimeoutMs: number
  /** Whether to send SIGTERM again each second: an Erlang machine that has just begun to boot loses the first one. */
  readonly repeatSigterm: boolean
  /** A supervised process that ends by itself is started again; any other stays down, so that its fault stays visible. */
  readonly supervised: boolean
  /** Whether an end while it starts, with this at the end of its log, is a known fault that passes by itself. */
  readonly passingFault?: (log: string) => boolean
}

export interface ProcessChange {
  readonly name: string
  readonly kind: ProcessKind
  readonly from: ProcessState
  readonly state: ProcessState
  readonly pid: number | undefined
  /** Why, for an end that nobody asked for: exit code or signal, and the end of the log. */
  readonly detail: string | undefined
}

export interface ProcessStatus {
  readonly name: string
  readonly kind: ProcessKind
  readonly state: ProcessState
  readonly pid: number | undefined
  readonly ports: readonly number[]
  /** When it entered its state, as ISO 8601 in UTC. */
  readonly since: string
  /** How often it was started again after the first time. */
  readonly restarts: number
  readonly detail: string | undefined
}

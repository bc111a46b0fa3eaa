import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { closeSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { ClusterError } from './errors.js'
import type { ProcessChange, ProcessDefinition, ProcessState, ProcessStatus } from './processDefinition.js'
import { identify, type ProcessIdentity, signalGroup } from './processIdentity.js'
import { ProcessLog } from './processLog.js'
import { waitFor } from './readiness.js'

export const backoff = { initialMs: 250, maxMs: 10_000, resetAfterMs: 10_000 } as const

export const SIGTERM_INTERVAL_MS = 1_000
/** How often a start that a passing fault ends is tried. */
const START_TRIES = 3
/** How far back in the log such a fault is looked for. */
const FAULT_LINES = 200

/**
 * One operating-system process: it owns the pid, the pid file and the log.
 *
 * It leads a process group of its own, so that Ctrl-C in the launcher's terminal does not reach it (the launcher stops
 * it in order) and so that a kill reaches its children. Signals go only to a process whose pid and start time fit.
 *
 * States and what moves between them: see {@link ProcessState}. `#set` is the only place that changes the state, and
 * emits `state` with a {@link ProcessChange}. What may go wrong: it exits before it is ready (start rejects with the
 * end of its log), it is never ready (start ends it and rejects), it does not end on SIGTERM (it is killed).
 */
export class ManagedProcess extends EventEmitter<{ state: [ProcessChange] }> {
  readonly #definition: ProcessDefinition
  #state: ProcessState = 'stopped'
  #since = new Date()
  #detail: string | undefined
  #starts = 0
  #failures = 0
  #identity: ProcessIdentity | undefined
  #exited: Promise<void> = Promise.resolve()
  #starting: { readonly abort: AbortController; readonly done: Promise<void> } | undefined
  #backoff: AbortController | undefined
  readonly #log: ProcessLog

  constructor(definition: ProcessDefinition) {
    super()
    this.#definition = definition
    this.#log = new ProcessLog(definition.logFile)
  }

  get name(): string {
    return this.#definition.name
  }

  get state(): ProcessState {
    return this.#state
  }

  status(): ProcessStatus {
    const { name, kind, ports } = this.#definition
    return {
      name,
      kind,
      state: this.#state,
      pid: this.#identity?.pid,
      ports,
      since: this.#since.toISOString(),
      restarts: Math.max(0, this.#starts - 1),
      detail: this.#detail,
    }
  }

  /** Resolves once it is ready. Does nothing when it is already running. */
  async start(): Promise<void> {
    switch (this.#state) {
      case 'running':
        return
      case 'starting':
        return this.#starting?.done
      case 'frozen':
        throw this.#wrongState('start', 'thaw it')
      case 'stopping':
        await this.#exited
        return this.start()
      case 'stopped':
      case 'exited':
      case 'restarting': {
        if (this.#starting !== undefined) return this.#starting.done
        this.#backoff?.abort()
        const abort = new AbortController()
        const done = this.#run(abort.signal).finally(() => {
          this.#starting = undefined
        })
        this.#starting = { abort, done }
        return done
      }
      default:
        return this.#state satisfies never
    }
  }

  /** SIGTERM, then SIGKILL when it takes too long. Returns the exit code, or undefined when there was nothing to stop. */
  async stop(): Promise<number | undefined> {
    if (!this.#prepareEnd()) return undefined
    let code: number | undefined
    this.#onExit = (exit) => {
      code = exit ?? undefined
    }
    // A frozen process would take the signal only after it was thawed.
    this.#signal('SIGTERM')
    this.#signal('SIGCONT')
    const again = setInterval(() => this.#definition.repeatSigterm && this.#signal('SIGTERM'), SIGTERM_INTERVAL_MS)
    const timer = new AbortController()
    const late = delay(this.#definition.stopTimeoutMs, 'late', { signal: timer.signal }).catch(() => 'ended')
    if ((await Promise.race([this.#exited, late])) === 'late') {
      this.#signal('SIGKILL')
      await this.#exited
    }
    timer.abort()
    clearInterval(again)
    return code
  }

  /** SIGKILL to the whole group; resolves once it is gone. */
  async kill(): Promise<void> {
    if (!this.#prepareEnd()) return
    this.#signal('SIGKILL')
    await this.#exited
  }

  /** SIGSTOP: the process stays, its connections stay open, and nothing answers. */
  freeze(): void {
    if (this.#state === 'frozen') return
    if (this.#state !== 'running') throw this.#wrongState('freeze', 'start it first')
    this.#signal('SIGSTOP')
    this.#set('frozen')
  }

  thaw(): void {
    if (this.#state === 'running') return
    if (this.#state !== 'frozen') throw this.#wrongState('thaw', 'only a frozen process can be thawed')
    this.#signal('SIGCONT')
    this.#set('running')
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** The last lines of what it logged since it was started. */
  logEnd(lines?: number): string {
    return this.#log.end(lines)
  }

  #onExit: (code: number | null) => void = () => {}

  #wrongState(action: string, remedy: string): ClusterError {
    return new ClusterError('WRONG_STATE', `Cannot ${action} ${this.name}: it is ${this.#state}; ${remedy}`)
  }

  #set(state: ProcessState, detail?: string): void {
    const from = this.#state
    if (from === state) return
    this.#state = state
    this.#since = new Date()
    this.#detail = detail
    const { name, kind } = this.#definition
    this.emit('state', { name, kind, from, state, pid: this.#identity?.pid, detail })
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#identity) signalGroup(this.#identity, signal)
  }

  /** Marks the end as wanted. False when there is no process to end. */
  #prepareEnd(): boolean {
    this.#backoff?.abort()
    const interrupted = new ClusterError('INTERRUPTED', `${this.name} was stopped while it was starting`)
    this.#starting?.abort.abort(interrupted)
    if (this.#identity === undefined) {
      this.#set('stopped')
      return false
    }
    this.#set('stopping')
    return true
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#runOnce(signal)
      } catch (problem) {
        const exited = problem instanceof ClusterError && problem.code === 'PROCESS_EXITED'
        const passes = exited && this.#definition.passingFault?.(this.logEnd(FAULT_LINES)) === true
        if (!passes || tries === START_TRIES) throw problem
        await delay(backoff.initialMs * 2 ** tries, undefined, { signal }).catch(() => undefined)
        signal.throwIfAborted()
      }
    }
  }

  async #runOnce(signal: AbortSignal): Promise<void> {
    this.#spawn()
    const exit = new AbortController()
    const exited = this.#exited.then(() => {
      exit.abort(new ClusterError('PROCESS_EXITED', `${this.name} ${this.#detail ?? 'ended'}`))
    })
    try {
      await waitFor(`${this.name} ready`, this.#definition.ready, {
        timeoutMs: this.#definition.readyTimeoutMs,
        signal: AbortSignal.any([signal, exit.signal]),
      })
    } catch (problem) {
      if (problem instanceof ClusterError && problem.code === 'NOT_READY') {
        const end = this.logEnd()
        await this.stop()
        throw new ClusterError('NOT_READY', `${problem.message}. The end of its log:\n${indent(end)}`)
      }
      if (exit.signal.aborted) await exited
      throw problem
    }
    // Frozen or told to stop in the meantime: that state stands.
    if (this.#state === 'starting') this.#set('running')
  }

  #spawn(): void {
    const { launch, pidFile } = this.#definition
    const { command, args, env, cwd } = launch()
    const log = this.#log.open()
    let child: ChildProcess
    try {
      child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', log, log] })
    } finally {
      closeSync(log)
    }
    this.#onExit = () => {}
    const startedAt = Date.now()
    this.#exited = new Promise((resolve) => {
      let over = false
      const end = (code: number | null, reason: string) => {
        if (over) return
        over = true
        rmSync(pidFile, { force: true })
        this.#identity = undefined
        this.#onExit(code)
        resolve()
        this.#ended(reason, Date.now() - startedAt)
      }
      child.once('error', (problem) => end(null, `could not be started: ${problem.message}`))
      child.once('exit', (code, signal) => end(code, signal ? `was ended by ${signal}` : `exited with code ${code}`))
    })
    if (child.pid !== undefined) {
      this.#identity = identify(child.pid)
      // At once: a launcher that is killed from here on leaves a trace of what it started.
      if (this.#identity) writeFileSync(pidFile, JSON.stringify(this.#identity), { mode: 0o600 })
    }
    this.#starts++
    this.#set('starting')
  }

  #ended(reason: string, livedMs: number): void {
    if (this.#state === 'stopping') {
      this.#set('stopped', reason)
      return
    }
    const detail = `${reason}\n${indent(this.logEnd())}`.trimEnd()
    // While somebody awaits start(), the failure is theirs to handle.
    if (!this.#definition.supervised || this.#starting !== undefined) {
      this.#set('exited', detail)
      return
    }
    this.#set('restarting', detail)
    this.#failures = livedMs >= backoff.resetAfterMs ? 0 : this.#failures
    void this.#restartLater(Math.min(backoff.maxMs, backoff.initialMs * 2 ** this.#failures++))
  }

  async #restartLater(waitMs: number): Promise<void> {
    this.#backoff = new AbortController()
    try {
      await delay(waitMs, undefined, { signal: this.#backoff.signal })
    } catch {
      return
    }
    this.start().catch((problem: ClusterError) => {
      if (this.#state !== 'exited' && this.#state !== 'stopped') return
      if (problem.code === 'INTERRUPTED') return
      this.#set('restarting', problem.message)
      void this.#restartLater(Math.min(backoff.maxMs, backoff.initialMs * 2 ** this.#failures++))
    })
  }
}

const indent = (text: string): string => (text === '' ? '' : text.replace(/^/gm, '    '))

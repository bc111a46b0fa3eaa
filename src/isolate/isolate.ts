/**
 * One isolate: a worker thread or a child process that runs handlers, one at a time. It owns that thread or process,
 * from the first message to its exit.
 *
 *     idle ─run()─▶ busy ─returned, threw─▶ idle        any state ─kill(), crash─▶ dead
 *
 * Promises: `run` always settles, with what the handler gave or with `IsolateDiedError`; an aborted job that does not end
 * within `ABORT_GRACE_MS` takes its isolate with it (SIGKILL for a process), since a busy loop heeds no signal; `gone` always
 * resolves after `kill`.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { Worker as Thread } from 'node:worker_threads'
import { IsolateDiedError, NotCloneableError } from '../errors/index.js'
import type { AttemptContext } from '../task/handler.js'
import { startTimer } from '../timers.js'
import { cloning, type FromIsolate, fromWire, type Job, type ToIsolate, toWire } from './protocol.js'

/** `thread` shares the process and starts fast; `process` survives what a thread does not: native crashes, memory. */
export type Isolation = 'thread' | 'process'

/** How long an aborted handler has to end by itself before its isolate is killed. */
const ABORT_GRACE_MS = 500
/** How long a killed isolate has until it is given up. */
const KILL_LIMIT_MS = 5_000

/**
 * The program that runs in an isolate, a file beside this one. Undefined where Warren is bundled into one file: then this
 * address is the bundle's, or there is none, and a file of that name beside it would be a stranger's.
 */
export function isolateEntry(): URL | undefined {
  const here: string | undefined = import.meta.url
  if (here === undefined || !/\/isolate\/isolate\.[jt]s$/.test(here)) return undefined
  const entry = new URL('./entry.js', here)
  return here.endsWith('.ts') || existsSync(entry) ? entry : undefined
}

/** How it ended, as far as Node tells. */
export interface IsolateExit {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** What nobody caught, in a thread, or why there is no process. */
  readonly error?: Error
}

/** What threads and processes have in common. */
interface Body {
  post(message: ToIsolate): void
  kill(): void
}

interface Running {
  readonly job: Job
  readonly attempt: AttemptContext
  resolve(output: unknown): void
  reject(error: unknown): void
  /** Whether the isolate has begun with it. */
  started: boolean
}

export class Isolate {
  readonly isolation: Isolation
  /** Resolves when its thread or process is gone. */
  readonly gone: Promise<IsolateExit>
  readonly #body: Body
  #running: Running | undefined
  readonly #end: (death: IsolateExit) => void
  #dead = false
  #killed = false
  /** Whether the last `run` was rejected although nothing of the handler ran: the isolate died before. */
  #unstarted = false

  /** `entry` is `isolateEntry()`. */
  constructor(isolation: Isolation, entry: URL) {
    this.isolation = isolation
    const receive = (message: FromIsolate): void => this.#receive(message)
    let resolveGone: (death: IsolateExit) => void = () => undefined
    this.gone = new Promise((resolve) => {
      resolveGone = resolve
    })
    this.#end = (death) => {
      this.#die(death)
      resolveGone(death)
    }
    this.#body = isolation === 'thread' ? threadBody(entry, receive, this.#end) : processBody(entry, receive, this.#end)
  }

  get dead(): boolean {
    return this.#dead
  }

  get unstarted(): boolean {
    return this.#unstarted
  }

  /** Runs one job. Only while idle. `NotCloneableError` when the input cannot be handed over. */
  run(job: Job, attempt: AttemptContext): Promise<unknown> {
    const { signal } = attempt
    return new Promise<unknown>((resolve, reject) => {
      let grace: NodeJS.Timeout | undefined
      const abort = (): void => {
        this.#post({ kind: 'abort', reason: toWire(signal.reason) })
        grace = setTimeout(() => this.kill(), ABORT_GRACE_MS)
      }
      const end = (): void => {
        clearTimeout(grace)
        signal.removeEventListener('abort', abort)
        this.#running = undefined
      }
      this.#running = {
        job,
        attempt,
        started: false,
        resolve: (output) => {
          end()
          resolve(output)
        },
        reject: (error) => {
          end()
          reject(error)
        },
      }
      signal.addEventListener('abort', abort, { once: true })
      try {
        cloning(`the input of ${job.attempt.task}`, () => this.#body.post({ kind: 'run', job }))
      } catch (error) {
        if (error instanceof NotCloneableError) this.#running.reject(error)
        // Else it has died, and says so itself: `#die` settles this.
      }
    })
  }

  /** Ends it. What cannot be ended, as a process in a system call that does not return, counts as dead after a while. */
  kill(): void {
    if (this.#dead || this.#killed) return
    this.#killed = true
    this.#body.kill()
    const late = new Error(`it was killed and has not ended within ${KILL_LIMIT_MS} ms`)
    const cancel = startTimer(KILL_LIMIT_MS, () => this.#end({ exitCode: null, signal: null, error: late }))
    void this.gone.then(cancel)
  }

  /** The handler's module may send messages of its own, of any shape: they are not for the worker. */
  #receive(message: FromIsolate): void {
    const running = this.#running
    if (running === undefined) return
    try {
      this.#understand(message, running)
    } catch {
      // It looked like one of ours and was none.
    }
  }

  #understand(message: FromIsolate, running: Running): void {
    const { attempt } = running
    switch (message.kind) {
      case 'started':
        running.started = true
        break
      case 'log':
        attempt.log[message.level](message.fields, message.message)
        break
      case 'progress': {
        const done = (error?: unknown): void =>
          this.#post({
            kind: 'progressDone',
            call: message.call,
            ...(error === undefined ? {} : { error: toWire(error) }),
          })
        void attempt.progress(message.value).then(() => done(), done)
        break
      }
      case 'returned':
        running.resolve(message.output)
        break
      case 'threw':
        running.reject(fromWire(message.error))
        break
      default:
        message satisfies never
    }
  }

  /** Says something that no longer matters to an isolate that is dying. */
  #post(message: ToIsolate): void {
    try {
      this.#body.post(message)
    } catch {
      // Its death is on the way.
    }
  }

  #die(death: IsolateExit): void {
    if (this.#dead) return
    this.#dead = true
    const running = this.#running
    if (running === undefined) return
    this.#unstarted = !running.started
    const { task, id } = running.job.attempt
    running.reject(new IsolateDiedError({ isolation: this.isolation, task, id, ...death }))
  }
}

function threadBody(entry: URL, receive: (message: FromIsolate) => void, die: (death: IsolateExit) => void): Body {
  const thread = new Thread(entry, { name: 'warren isolate' })
  let uncaught: Error | undefined
  thread.on('message', receive)
  thread.on('error', (error: Error) => {
    uncaught = error
  })
  // What it sent cannot be read here, so nobody knows what it was: the attempt must not wait for it.
  thread.on('messageerror', (error) => {
    uncaught = error
    void thread.terminate()
  })
  thread.on('exit', (exitCode) =>
    die({ exitCode, signal: null, ...(uncaught === undefined ? {} : { error: uncaught }) }),
  )
  return { post: (message) => thread.postMessage(message), kill: () => void thread.terminate() }
}

function processBody(entry: URL, receive: (message: FromIsolate) => void, die: (death: IsolateExit) => void): Body {
  const child: ChildProcess = fork(entry, [String(process.pid)], {
    serialization: 'advanced',
    // What it prints goes where the worker's prints go.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Loaders go along; a debugger's port can be had only once.
    execArgv: process.execArgv.filter((each) => !each.startsWith('--inspect')),
  })
  child.on('message', (message) => receive(message as FromIsolate))
  child.on('error', (error) => {
    // Also raised for a message to a process that has just died: its exit says more. Without a process there is no exit.
    if (child.pid === undefined) die({ exitCode: null, signal: null, error })
  })
  child.on('exit', (exitCode, signal) => die({ exitCode, signal }))
  return { post: (message) => void child.send(message), kill: () => void child.kill('SIGKILL') }
}

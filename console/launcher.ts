/**
 * The local cluster's launcher, as the console sees it: JSON over HTTP on a unix socket. It lists processes, tells of
 * each change at once, and does what it is told to one of them. The console knows the protocol and nothing of the code
 * behind it.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'

export const PROCESS_ACTIONS = ['start', 'stop', 'kill', 'freeze', 'thaw'] as const
export type ProcessAction = (typeof PROCESS_ACTIONS)[number]

export interface LauncherProcess {
  readonly name: string
  readonly kind: string
  readonly state: string
  readonly pid?: number
  readonly ports: readonly number[]
  /** ISO 8601 in UTC. */
  readonly since: string
  readonly restarts: number
  readonly detail?: string
  /** RabbitMQ nodes only: what HAProxy holds of it, as `UP` or `DOWN`. */
  readonly front?: string
}

export interface LauncherStatus {
  readonly state: string
  readonly processes: readonly LauncherProcess[]
  readonly addresses: { readonly edge: string; readonly prometheus?: string }
}

export interface LauncherChange {
  readonly at: number
  readonly name: string
  readonly kind: string
  readonly from: string
  readonly state: string
  readonly detail?: string
}

export class LauncherError extends Error {
  override readonly name = 'LauncherError'
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

const STATUS_TIMEOUT_MS = 3_000
/** A node that is stopped in order takes up to a minute or two. */
const ACT_TIMEOUT_MS = 300_000
const RECONNECT_MS = 1_000
/** A change with the end of a log is the longest that there is. */
const MAX_LINE = 64 * 1024

export class Launcher {
  readonly #socketPath: string
  #following: ClientRequest | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  status = (): Promise<LauncherStatus> => this.#call('GET', '/status', undefined, STATUS_TIMEOUT_MS)
  scale = (workers: number): Promise<LauncherStatus> => this.#call('POST', '/scale', { workers }, ACT_TIMEOUT_MS)
  act = (name: string, action: ProcessAction): Promise<LauncherStatus> =>
    this.#call('POST', `/process/${encodeURIComponent(name)}/${action}`, undefined, ACT_TIMEOUT_MS)

  /** Calls back for each change of a process until `close`; comes back by itself when the launcher was away. */
  follow(onChange: (change: LauncherChange) => void): void {
    if (this.#closed) return
    const again = () => {
      if (this.#closed || this.#timer !== undefined) return
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.follow(onChange)
      }, RECONNECT_MS)
      this.#timer.unref()
    }
    this.#following = request({ socketPath: this.#socketPath, path: '/events' }, (response) => {
      response.once('close', again)
      // A launcher that ends leaves its answer unfinished; the close that follows tells.
      response.on('error', () => undefined)
      if (response.statusCode !== 200) {
        response.resume()
        return
      }
      const lines = createInterface({ input: response })
      lines.on('error', () => undefined)
      lines.on('line', (line) => {
        const change = line.length > MAX_LINE ? undefined : changeIn(line)
        if (change !== undefined) onChange(change)
      })
    })
    this.#following.once('error', again)
    this.#following.end()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#following?.destroy()
  }

  #call(method: string, path: string, body: unknown, timeoutMs: number): Promise<LauncherStatus> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath: this.#socketPath, method, path }, (response) => {
        read(response).then((answer) => {
          if (response.statusCode === 200) resolve(answer as LauncherStatus)
          else reject(new LauncherError(String((answer as { error?: string }).error), response.statusCode ?? 500))
        }, reject)
      })
      outgoing.once('error', (cause) =>
        reject(new LauncherError(`The launcher does not answer: ${cause.message}`, 502)),
      )
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)))
      outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

async function read(response: IncomingMessage): Promise<unknown> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response) text += chunk
  return JSON.parse(text)
}

/** The last line of a launcher that ended may be half of one. */
function changeIn(line: string): LauncherChange | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

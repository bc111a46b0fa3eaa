/**
 * The running cluster's control: HTTP and JSON over a unix socket that only its owner may open. It is how a second
 * terminal reaches the launcher.
 *
 * `GET /status` · `POST /scale {"workers": N}` · `POST /process/<name>/<action>`, each answered once it is done;
 * `GET /events`, which does not end: a line of JSON for each change of a process.
 */
import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { textOf } from 'warren'
import type { ClusterStatus } from './clusterStatus.js'
import { ClusterError, type ClusterErrorCode } from './errors.js'
import type { ProcessChange } from './processDefinition.js'

export const processActions = ['start', 'stop', 'kill', 'freeze', 'thaw', 'restart'] as const
export type ProcessAction = (typeof processActions)[number]

/** The control's answer to a refused request: with the status 4xx or 5xx. */
export interface ControlProblem {
  readonly code: ClusterErrorCode
  readonly error: string
}

/** The parts of the cluster that a second terminal may use. */
export interface Controlled {
  status(): Promise<ClusterStatus>
  scale(workers: number): Promise<void>
  startProcess(name: string): Promise<void>
  stopProcess(name: string): Promise<void>
  killProcess(name: string): Promise<void>
  freezeProcess(name: string): Promise<void>
  thawProcess(name: string): Promise<void>
  restartProcess(name: string): Promise<void>
  on(event: 'process', listener: (change: ProcessChange) => void): unknown
  off(event: 'process', listener: (change: ProcessChange) => void): unknown
}

/** How many bytes a reader of events may be behind. */
const MAX_UNREAD = 1024 * 1024

export async function serveControl(cluster: Controlled, socketPath: string): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.method === 'GET' && request.url === '/events') {
      follow(cluster, response)
      return
    }
    answer(cluster, request)
      .then((body) => ({ status: 200, body }))
      .catch((problem: unknown) => {
        const code = problem instanceof ClusterError ? problem.code : 'CONTROL_FAILED'
        const body: ControlProblem = { code, error: textOf(problem) }
        return { status: statusOf(code), body }
      })
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(JSON.stringify(body))
      })
  })
  // A launcher that was killed leaves its socket behind; the lock says that no other one is using it.
  rmSync(socketPath, { force: true })
  // The socket is made while listen() runs: with this mask nobody else can open it, not even for a moment.
  const mask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(socketPath, resolve)
      process.umask(mask)
    })
  } finally {
    process.umask(mask)
  }
  return server
}

/** A reader that is too slow is disconnected: it then requests the status and starts again. */
function follow(cluster: Controlled, response: ServerResponse): void {
  const tell = (change: ProcessChange) => {
    response.write(`${JSON.stringify({ at: Date.now(), ...change })}\n`)
    if (response.writableLength > MAX_UNREAD) response.destroy()
  }
  cluster.on('process', tell)
  response.once('close', () => cluster.off('process', tell))
  response.writeHead(200, { 'content-type': 'application/x-ndjson' }).flushHeaders()
}

async function answer(cluster: Controlled, request: IncomingMessage): Promise<unknown> {
  const route = `${request.method} ${request.url}`
  if (route === 'GET /status') return cluster.status()
  if (route === 'POST /scale') {
    const { workers } = await readJson(request)
    if (typeof workers !== 'number') throw new ClusterError('INVALID_OPTIONS', 'Expected {"workers": N}')
    await cluster.scale(workers)
    return cluster.status()
  }
  const [, name, action] = /^POST \/process\/([^/]+)\/([^/]+)$/.exec(route) ?? []
  if (name === undefined || !isAction(action)) throw new ClusterError('INVALID_OPTIONS', `No such request: ${route}`)
  await act(cluster, decodeURIComponent(name), action)
  return cluster.status()
}

const isAction = (word: string | undefined): word is ProcessAction => processActions.some((each) => each === word)

function act(cluster: Controlled, name: string, action: ProcessAction): Promise<void> {
  switch (action) {
    case 'start':
      return cluster.startProcess(name)
    case 'stop':
      return cluster.stopProcess(name)
    case 'kill':
      return cluster.killProcess(name)
    case 'freeze':
      return cluster.freezeProcess(name)
    case 'thaw':
      return cluster.thawProcess(name)
    case 'restart':
      return cluster.restartProcess(name)
    default:
      return action satisfies never
  }
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > 10_000) throw new ClusterError('INVALID_OPTIONS', 'The request is too long')
  }
  try {
    return JSON.parse(text || '{}') as Record<string, unknown>
  } catch (cause) {
    throw new ClusterError('INVALID_OPTIONS', `Expected JSON, got: ${text}`, { cause })
  }
}

function statusOf(code: ClusterErrorCode): number {
  switch (code) {
    case 'UNKNOWN_PROCESS':
      return 404
    case 'INVALID_OPTIONS':
      return 400
    case 'WRONG_STATE':
    case 'INTERRUPTED':
      return 409
    default:
      return 500
  }
}

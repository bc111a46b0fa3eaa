/** The requests of a second terminal to the running cluster. Every function rejects with a {@link ClusterError}. */
import { request } from 'node:http'
import type { ClusterStatus } from './clusterStatus.js'
import type { ControlProblem, ProcessAction } from './control.js'
import { ClusterError } from './errors.js'
import { Folder } from './folder.js'

/** What the cluster in `dir` is doing. */
export const readStatus = (dir: string): Promise<ClusterStatus> => call(dir, 'GET', '/status')

/** Resolves once `workers` workers are ready and every other one has drained. */
export const scaleWorkers = (dir: string, workers: number): Promise<ClusterStatus> =>
  call(dir, 'POST', '/scale', { workers })

/** Resolves once the action is done: `start` waits until the process is ready, `stop` until it has exited. */
export const actOnProcess = (dir: string, name: string, action: ProcessAction): Promise<ClusterStatus> =>
  call(dir, 'POST', `/process/${encodeURIComponent(name)}/${action}`)

function call(dir: string, method: string, path: string, body?: unknown): Promise<ClusterStatus> {
  const folder = new Folder(dir)
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: folder.controlSocket, method, path }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.once('end', () => {
        try {
          const answer = JSON.parse(text) as ClusterStatus | ControlProblem
          if ('error' in answer) reject(new ClusterError(answer.code, answer.error))
          else resolve(answer)
        } catch (cause) {
          reject(new ClusterError('CONTROL_FAILED', `The cluster in ${folder.path} answered: ${text}`, { cause }))
        }
      })
    })
    outgoing.once('error', (cause: NodeJS.ErrnoException) => {
      const absent = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED'
      reject(
        absent
          ? new ClusterError('NOT_RUNNING', `Warren is not running in ${folder.path}: start it with npm start`, {
              cause,
            })
          : new ClusterError('CONTROL_FAILED', `The cluster in ${folder.path} does not answer: ${cause.message}`, {
              cause,
            }),
      )
    })
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

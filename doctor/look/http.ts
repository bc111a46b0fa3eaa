/**
 * RabbitMQ's management API at one address. It only ever reads: there is no way here to send anything but GET. Its time and
 * the size of its answers are limited, and no redirect is followed, since another server must not get the password.
 */
import { textOf } from 'warren'
import { CannotSee } from './unseen.js'

/** A node that is frozen accepts a connection and answers nothing. */
const TIMEOUT_MS = 10_000
/** 10,000 queues take some 10 MB. */
const MAX_ANSWER = 128 * 1024 * 1024

/** When an answer was asked for, when its head came, and the server's own time in it. */
export interface Timed {
  readonly sentAt: number
  readonly headAt: number
  /** In milliseconds since 1970, in whole seconds. */
  readonly date: number | undefined
}

export interface Answer {
  readonly body: unknown
  readonly timed: Timed
}

/** It answered, and refused: this user may not see that, or the address is not the API's. */
export class Refused extends CannotSee {
  readonly status: number

  constructor(status: number, address: string, path: string) {
    const what = path.replace(/\?.*$/, '')
    super(`${address} answered ${status} to ${what}`, remedyOf(status, path))
    this.status = status
  }
}

const remedyOf = (status: number, path: string): string => {
  if (status === 404 && path.startsWith('/queues')) return 'Create the virtual host, or correct the path of --broker'
  if (status !== 401 && status !== 403) return 'Correct the address of --management, with the path prefix if it has one'
  if (path.startsWith('/permissions')) return 'Pass --management with a user that is an administrator'
  if (/^\/(operator-)?policies/.test(path))
    return 'Pass --management with a user that has the tag policymaker or administrator'
  return 'Pass --management with a user that has the tag monitoring and permissions in this virtual host'
}

export class ManagementAddress {
  /** Without user and password. */
  readonly address: string
  readonly user: string
  readonly #authorization: string

  constructor(text: string) {
    const url = new URL(text)
    this.user = decoded(url.username)
    this.#authorization = `Basic ${Buffer.from(`${this.user}:${decoded(url.password)}`).toString('base64')}`
    url.username = ''
    url.password = ''
    this.address = url.href.replace(/\/+$/, '')
  }

  /** Throws {@link Refused}, or {@link CannotSee} for what does not answer. */
  async get(path: string): Promise<Answer> {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const [sentAt, started] = [Date.now(), performance.now()]
    try {
      const response = await fetch(`${this.address}/api${path}`, {
        headers: { authorization: this.#authorization },
        signal,
        redirect: 'manual',
      })
      const headAt = sentAt + (performance.now() - started)
      const date = Date.parse(response.headers.get('date') ?? '')
      if (!response.ok) {
        await response.body?.cancel()
        throw new Refused(response.status, this.address, path)
      }
      const timed = { sentAt, headAt, date: Number.isNaN(date) ? undefined : date }
      return { body: await jsonOf(response, this.address), timed }
    } catch (error) {
      if (error instanceof CannotSee) throw error
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
      const why = signal.aborted ? `no answer within ${TIMEOUT_MS} ms` : textOf(cause)
      throw new CannotSee(
        `${this.address} does not answer (${why})`,
        'Pass --management with the address of the management API',
        error,
      )
    }
  }
}

async function jsonOf(response: Response, address: string): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER)
      throw new CannotSee(`${address} answered more than ${MAX_ANSWER} bytes`, 'Ask for a smaller virtual host')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    // The parser's own message would quote whatever somebody else's server sent.
    throw new CannotSee(
      `The answer of ${address} is not JSON`,
      'Correct the address of --management: it does not belong to the management API',
    )
  }
}

/** A per cent sign that is none of URL's own stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * Sign-ins, as a signed cookie: what is kept is the key and the list of those that were signed out, so that a restarted
 * console knows both again and a million sign-ins take no memory. Whenever the list cannot tell, a sign-in is refused.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EndedSessions } from './endedSessions.js'
import type { Role } from './options.js'

export interface Session {
  readonly id: string
  readonly user: string
  readonly role: Role
  /** Milliseconds since 1970. */
  readonly endsAt: number
}

export const SESSION_MS = 12 * 60 * 60 * 1000
const KEY_BYTES = 32

export class Sessions {
  readonly #key: Buffer
  readonly #now: () => number
  readonly #ended: EndedSessions

  constructor(key: Buffer, folder?: string, now: () => number = Date.now) {
    this.#key = key
    this.#now = now
    this.#ended = new EndedSessions(folder, { now, lifetimeMs: SESSION_MS })
  }

  /** The cookie's value for a new session. */
  begin(user: string, role: Role): string {
    const session: Session = {
      id: randomBytes(16).toString('base64url'),
      user,
      role,
      endsAt: this.#now() + SESSION_MS,
    }
    const body = Buffer.from(JSON.stringify(session)).toString('base64url')
    return `${body}.${this.#sign('session', body)}`
  }

  /** The session of a cookie, or undefined when it is not one of ours, has ended or was signed out. */
  read(cookie: string | undefined): Session | undefined {
    const [body, signature, more] = (cookie ?? '').split('.')
    if (!body || !signature || more !== undefined || !same(signature, this.#sign('session', body))) return undefined
    const session = JSON.parse(Buffer.from(body, 'base64url').toString()) as Session
    return session.endsAt > this.#now() && !this.#ended.has(session) ? session : undefined
  }

  /** From now on its cookie opens nothing. Throws when that could not be written down for the time after a restart. */
  end(session: Session): void {
    this.#ended.add(session)
  }

  /** What a page of this session sends with each request that changes something. Another site cannot read it. */
  token({ id }: Session): string {
    return this.#sign('token', id)
  }

  owns(session: Session, token: string | undefined): boolean {
    return token !== undefined && same(token, this.token(session))
  }

  #sign(purpose: string, text: string): string {
    return createHmac('sha256', this.#key).update(`${purpose}\n${text}`).digest('base64url')
  }
}

const same = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** The key in `folder`, made at the first start; without a folder a key that nobody else has. */
export function sessionKey(folder: string | undefined): Buffer {
  if (folder === undefined) return randomBytes(KEY_BYTES)
  const file = join(folder, 'session-key')
  try {
    const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex')
    if (key.length === KEY_BYTES) return key
  } catch {
    // There is none yet.
  }
  const key = randomBytes(KEY_BYTES)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(file, `${key.toString('hex')}\n`, { mode: 0o600 })
  return key
}

/** Who may sign in, and how often somebody may try. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Account, Role } from './options.js'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

export class Accounts {
  readonly #accounts: readonly { readonly user: string; readonly digest: Buffer; readonly role: Role }[]

  constructor(accounts: readonly Account[]) {
    this.#accounts = accounts.map(({ user, password, role }) => ({
      user,
      digest: digest(`${user}\n${password}`),
      role,
    }))
  }

  /** The role of whoever gives the right password. Takes as long for a wrong user as for a wrong password. */
  check(user: string, password: string): Role | undefined {
    const given = digest(`${user}\n${password}`)
    let role: Role | undefined
    for (const each of this.#accounts) if (timingSafeEqual(each.digest, given)) role = each.role
    return role
  }
}

const WINDOW_MS = 60_000
const MAX_PEERS = 1_000

/**
 * Counts failed sign-ins by the peer they come from: ten a minute, then none is looked at until the minute is over.
 * A correct one does not clear the count, so that a known password cannot be used to go on guessing another.
 */
export class SignInLimit {
  readonly #max: number
  readonly #now: () => number
  /** In the order of their beginning. */
  readonly #windows = new Map<string, { readonly endsAt: number; failures: number }>()

  constructor(max = 10, now: () => number = Date.now) {
    this.#max = max
    this.#now = now
  }

  /** Seconds to wait before the next try; undefined when one may be made. */
  waitSeconds(peer: string): number | undefined {
    const window = this.#window(peer)
    if (window === undefined || window.failures < this.#max) return undefined
    return Math.max(1, Math.ceil((window.endsAt - this.#now()) / 1000))
  }

  failed(peer: string): void {
    const window = this.#window(peer)
    if (window !== undefined) {
      window.failures++
      return
    }
    // Somebody with very many addresses must not fill the memory; the oldest count goes first.
    const [oldest] = this.#windows.keys()
    if (this.#windows.size >= MAX_PEERS && oldest !== undefined) this.#windows.delete(oldest)
    this.#windows.set(peer, { endsAt: this.#now() + WINDOW_MS, failures: 1 })
  }

  #window(peer: string): { readonly endsAt: number; failures: number } | undefined {
    const window = this.#windows.get(peer)
    if (window === undefined || window.endsAt > this.#now()) return window
    this.#windows.delete(peer)
    return undefined
  }
}

/**
 * Once-claims: while one copy of a message runs, no other copy does. A claim is a key in the store with a lease, renewed during
 * the attempt. It is not a lock: if the store is unavailable or emptied, or the holder is frozen for a whole lease, two copies
 * may run.
 *
 *     free ──take──▶ held ──release──▶ free
 *                     │▲ renew
 *                     └── lease over, or the broker has handed the same copy out again ──▶ taken by that attempt
 *
 * A redelivered copy proves that the attempt that held its claim has lost its delivery, so a killed worker's message does not
 * wait for the lease to end.
 */
import { randomBytes } from 'node:crypto'
import { keyScript } from '../results/keyScript.js'
import type { Results } from '../results/store.js'
import { pause } from '../timers.js'
import { onceKey } from '../wire/names.js'
import type { CopyIdentity } from '../wire/once.js'

/** Longer than handlers block the event loop, which renews it. */
export const LEASE_MS = 30_000

/** If a retry has already arrived, the earlier attempt of the same publication has ended and is about to release its claim. */
const SETTLING_LOOKS_MS: readonly number[] = [50, 100, 200]
/** How long the retry waits if it was not released, because its worker may have died in between. */
const SETTLING_MS = 1_000

/**
 * KEYS[1]  the claim
 * ARGV     token, lease in milliseconds, publication, copy, retries, 1 for a redelivered copy
 * Returns 0 when it is taken, 1 when an earlier attempt of the same publication holds it, 2 when another one does.
 */
const TAKE = keyScript(`
local token, publication, copy, retries = unpack(redis.call('HMGET', KEYS[1], 'token', 'publication', 'copy', 'retries'))
local same = publication == ARGV[3]
if token and token ~= ARGV[1] and not (same and copy == ARGV[4] and ARGV[6] == '1') then
  return same and tonumber(retries) < tonumber(ARGV[5]) and 1 or 2
end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'publication', ARGV[3], 'copy', ARGV[4], 'retries', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0`)

/** KEYS[1] the claim; ARGV token, lease. */
const RENEW = keyScript(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

/** KEYS[1] the claim; ARGV token. */
const RELEASE = keyScript(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)

const FREE = 0
const SETTLING = 1

export interface OnceClaim {
  /** Releases it. Safe to call twice; never throws. */
  release(): void
}

export interface ClaimedDelivery {
  readonly queue: string
  readonly id: string
  readonly redelivered: boolean
}

export class OnceClaims {
  readonly #results: Results
  readonly #leaseMs: number
  readonly #held = new Map<string, string>()
  #renewing: NodeJS.Timeout | undefined

  constructor(results: Results, leaseMs: number = LEASE_MS) {
    this.#results = results
    this.#leaseMs = leaseMs
  }

  /**
   * Takes the claim, or returns how many milliseconds the copy must wait while another one runs. Throws like `Results.ask`.
   */
  async take({ queue, id, redelivered }: ClaimedDelivery, identity: CopyIdentity): Promise<OnceClaim | number> {
    const key = onceKey(queue, id)
    const token = randomBytes(9).toString('base64url')
    const { publication, copy, retries } = identity
    const given = [token, this.#leaseMs, publication, copy, retries, redelivered ? 1 : 0]
    let answer: unknown
    for (let looks = 0; ; looks++) {
      answer = await this.#results.ask((commands) => TAKE(commands, key, ...given))
      const waitMs = SETTLING_LOOKS_MS[looks]
      if (answer !== SETTLING || waitMs === undefined) break
      await pause(waitMs)
    }
    if (answer !== FREE) return answer === SETTLING ? SETTLING_MS : this.#leaseMs
    this.#held.set(token, key)
    this.#renewing ??= setInterval(() => this.#renewAll(), this.#leaseMs / 3).unref()
    return { release: () => this.#release(token) }
  }

  #renewAll(): void {
    for (const [token, key] of this.#held) {
      void this.#results.ask((commands) => RENEW(commands, key, token, this.#leaseMs)).catch(() => undefined)
    }
  }

  #release(token: string): void {
    const key = this.#held.get(token)
    if (key === undefined) return
    this.#held.delete(token)
    if (this.#held.size === 0) {
      clearInterval(this.#renewing)
      this.#renewing = undefined
    }
    // A claim that cannot be released ends with its lease.
    void this.#results.ask((commands) => RELEASE(commands, key, token)).catch(() => undefined)
  }
}

/** Reads passwords from files, as Docker and Kubernetes provide them, so that none is in an environment variable. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { storeOptions } from 'warren'

/** The password of a user: the file `<user>_password` in the folder `WARREN_SECRETS_DIR`; undefined if either is missing. */
export function passwordFile(user: string, env: NodeJS.ProcessEnv): string | undefined {
  if (!env.WARREN_SECRETS_DIR) return undefined
  try {
    return readFileSync(join(env.WARREN_SECRETS_DIR, `${user}_password`), 'utf8').trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Adds the password from the user's file to an address with a user but no password. An unparsable address is returned
 * unchanged.
 */
export function withPassword(address: string, env: NodeJS.ProcessEnv): string {
  // Several hosts are no URL.
  const [, scheme, user, rest] = /^(sentinels?:\/\/)([^@/:]+)(@.+)$/.exec(address) ?? []
  if (scheme !== undefined && user !== undefined) {
    const password = passwordFile(decodeURIComponent(user), env)
    return password === undefined ? address : `${scheme}${user}:${encodeURIComponent(password)}${rest}`
  }
  if (!URL.canParse(address)) return address
  const url = new URL(address)
  if (url.username === '' || url.password !== '') return address
  const password = passwordFile(decodeURIComponent(url.username), env)
  if (password === undefined) return address
  url.password = encodeURIComponent(password)
  return url.href
}

/** Whether `results` takes it. Says nothing of why not: it may hold a password. */
export function isStoreAddress(address: string): boolean {
  try {
    storeOptions(address)
    return true
  } catch {
    return false
  }
}

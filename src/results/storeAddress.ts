/**
 * Addresses of a store: `redis://…` names one server, `sentinel://…` the Sentinels that know which server is the primary.
 * No error ever shows one, since any part of what cannot be read may be a password.
 */
import { parseStoreUrl } from '../amqp/address.js'
import { OptionsError } from '../errors/index.js'

interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** What a client of iovalkey or ioredis is made with to reach the store at an address. */
export interface StoreOptions {
  readonly host?: string
  readonly port?: number
  readonly sentinels?: HostAndPort[]
  /** What the Sentinels call the primary. */
  readonly name?: string
  readonly username?: string
  readonly password?: string
  readonly db?: number
  readonly tls?: Record<never, never>
  readonly sentinelTLS?: Record<never, never>
  readonly enableTLSForSentinelMode?: true
}

export interface StoreAddress {
  /** Without user and password. */
  readonly shown: string
  readonly options: StoreOptions
}

const STORE_PORT = 6379
const SENTINEL_PORT = 26_379
/** Scheme, user and password, hosts, name, database. */
const SENTINEL = /^(sentinels?):\/\/(?:([^@/?#]*)@)?([^@/?#]+)\/([^@/?#]+)(?:\/(\d{1,5}))?\/?$/
const SENTINEL_EXAMPLE = 'sentinel://user:password@host:26379,host:26379/NAME'

/** Whether it is meant for Sentinels, well-formed or not. */
export const isSentinelAddress = (text: string): boolean => /^sentinels?:/.test(text)

/** Throws `OptionsError`. */
export function parseStoreAddress(where: string, text: string): StoreAddress {
  if (isSentinelAddress(text)) return parseSentinels(where, text)
  const url = parseStoreUrl(where, text)
  const encrypted = url.protocol === 'rediss:' || url.protocol === 'valkeys:'
  const db = Number(url.pathname.slice(1))
  return {
    shown: `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`,
    options: {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? STORE_PORT : Number(url.port),
      ...signIn(where, url.username, url.password),
      ...(db > 0 ? { db } : {}),
      ...(encrypted ? { tls: {} } : {}),
    },
  }
}

/**
 * What a client of iovalkey or ioredis takes to reach the store at an address that `results` takes, `sentinel://`
 * included. Throws `OptionsError`.
 */
export const storeOptions = (address: string): StoreOptions => parseStoreAddress('storeOptions', address).options

function parseSentinels(where: string, text: string): StoreAddress {
  const [, scheme, user = '', hosts = '', name = '', db] = SENTINEL.exec(text) ?? []
  const sentinels = hosts.split(',').map(hostAndPort)
  if (scheme === undefined || !sentinels.every((each) => each !== undefined)) {
    throw new OptionsError(where, [
      `expected a URL such as ${SENTINEL_EXAMPLE}, with the name that the Sentinels give to the primary; percent-encode / ? # @ : and % in user and password (encodeURIComponent)`,
    ])
  }
  const [username = '', password = ''] = user.split(/:(.*)/s)
  const shown = sentinels.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')
  return {
    shown: `${scheme}://${shown}/${name}${db === undefined ? '' : `/${db}`}`,
    options: {
      sentinels,
      name: decoded(where, 'name', name),
      ...signIn(where, username, password),
      ...(db === undefined || db === '0' ? {} : { db: Number(db) }),
      ...(scheme === 'sentinels' ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
    },
  }
}

function hostAndPort(text: string): HostAndPort | undefined {
  if (!URL.canParse(`redis://${text}`)) return undefined
  const { hostname, port } = new URL(`redis://${text}`)
  return hostname === ''
    ? undefined
    : { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? SENTINEL_PORT : Number(port) }
}

/** A user without a name is the store's `default`. */
function signIn(where: string, username: string, password: string): Pick<StoreOptions, 'username' | 'password'> {
  return {
    ...(username === '' ? {} : { username: decoded(where, 'user', username) }),
    ...(password === '' ? {} : { password: decoded(where, 'password', password) }),
  }
}

function decoded(where: string, what: string, part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new OptionsError(where, [`expected the ${what} to be percent-encoded UTF-8 (encodeURIComponent)`])
  }
}

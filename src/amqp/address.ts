/**
 * Broker and store addresses: parsed once, shown only without user and password. An invalid address is never shown, because any
 * part of it may be a password.
 */
import { OptionsError } from '../errors/index.js'

/** The argument of amqplib's `connect`, from an `amqp://` or `amqps://` URL (https://www.rabbitmq.com/docs/uri-spec). */
export interface Address {
  readonly protocol: 'amqp' | 'amqps'
  readonly hostname: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly vhost: string
}

const ENCODE = 'percent-encode / ? # @ : and % in user, password and virtual host (encodeURIComponent)'

/** Parses one or more broker URLs. Throws `OptionsError` for an invalid one. */
export function parseAddresses(where: string, broker: string | readonly string[]): Address[] {
  const urls = typeof broker === 'string' ? [broker] : broker
  return urls.map((text, index) => {
    const name = urls.length === 1 ? where : `${where}[${index}]`
    const url = parsed(name, text, ['amqp:', 'amqps:'], 'amqp://user:password@host:5672/vhost')
    const protocol = url.protocol === 'amqps:' ? 'amqps' : 'amqp'
    const decoded = (what: string, part: string): string => {
      try {
        return decodeURIComponent(part)
      } catch {
        throw new OptionsError(name, [`expected the ${what} to be percent-encoded UTF-8: ${ENCODE}`])
      }
    }
    return {
      protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (protocol === 'amqps' ? 5671 : 5672) : Number(url.port),
      username: url.username === '' ? 'guest' : decoded('user', url.username),
      password: url.password === '' && url.username === '' ? 'guest' : decoded('password', url.password),
      // No path, and `/`, mean the default virtual host; `/%2F` is the same, spelled out.
      vhost: url.pathname.length > 1 ? decoded('virtual host', url.pathname.slice(1)) : '/',
    }
  })
}

/** Checks a store URL. Throws `OptionsError` for an invalid one. */
export function parseStoreUrl(where: string, text: string): URL {
  return parsed(where, text, ['redis:', 'rediss:', 'valkey:', 'valkeys:'], 'redis://host:6379/0')
}

function parsed(where: string, text: string, protocols: readonly string[], example: string): URL {
  const refuse = (expected: string): never => {
    throw new OptionsError(where, [expected])
  }
  if (!URL.canParse(text)) return refuse(`expected a URL such as ${example}; ${ENCODE}`)
  const url = new URL(text)
  if (!protocols.includes(url.protocol) || url.hostname === '') {
    const schemes = protocols.map((each) => `${each}//`).join(', ')
    return refuse(`expected a URL such as ${example}, with one of ${schemes} and a host`)
  }
  // A password with an unencoded `/`, `?` or `#`: the rest is parsed as the path, and the user as the host.
  if (/@/.test(url.pathname + url.search + url.hash)) return refuse(`expected no @ behind the host; ${ENCODE}`)
  return url
}

/** `amqp://host:port/vhost`, without user and password. */
export function redacted({ protocol, hostname, port, vhost }: Omit<Address, 'password'>): string {
  return `${protocol}://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}${vhost === '/' ? '' : `/${encodeURIComponent(vhost)}`}`
}

/** All addresses are of one cluster, and so of one virtual host. */
export const vhostOf = (addresses: readonly Pick<Address, 'vhost'>[]): string => addresses[0]?.vhost ?? '/'

/** Broker and store addresses: parsed once, shown only with their passwords struck out. */
import { OptionsError, textOf } from '../errors/index.js'

/** What amqplib's `connect` takes, from an `amqp://` or `amqps://` URL (https://www.rabbitmq.com/docs/uri-spec). */
export interface Address {
  readonly protocol: 'amqp' | 'amqps'
  readonly hostname: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly vhost: string
}

/** Parses one or more broker URLs. Throws `OptionsError` for what is not one. */
export function parseAddresses(where: string, broker: string | readonly string[]): Address[] {
  const urls = typeof broker === 'string' ? [broker] : broker
  return urls.map((text) => {
    const url = parsed(where, text, ['amqp:', 'amqps:'], 'amqp://user:password@host:5672/vhost')
    const protocol = url.protocol === 'amqps:' ? 'amqps' : 'amqp'
    return {
      protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (protocol === 'amqps' ? 5671 : 5672) : Number(url.port),
      username: url.username === '' ? 'guest' : decodeURIComponent(url.username),
      password: url.password === '' && url.username === '' ? 'guest' : decodeURIComponent(url.password),
      // No path, and `/`, mean the default virtual host; `/%2F` is the same, spelled out.
      vhost: url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : '/',
    }
  })
}

/** Checks a store URL. Throws `OptionsError` for what is not one. */
export function parseStoreUrl(where: string, text: string): URL {
  return parsed(where, text, ['redis:', 'rediss:', 'valkey:', 'valkeys:'], 'redis://host:6379/0')
}

function parsed(where: string, text: string, protocols: readonly string[], example: string): URL {
  try {
    const url = new URL(text)
    if (protocols.includes(url.protocol) && url.hostname !== '') return url
    throw new Error(`expected one of ${protocols.map((each) => `${each}//`).join(', ')} and a host`)
  } catch (error) {
    // The text itself may hold a password, so the message shows what it should look like instead.
    throw new OptionsError(where, [`expected a URL such as ${example}: ${textOf(error)}`])
  }
}

/** `amqp://host:port/vhost`, without user and password. */
export function redacted({ protocol, hostname, port, vhost }: Address): string {
  return `${protocol}://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}${vhost === '/' ? '' : `/${encodeURIComponent(vhost)}`}`
}

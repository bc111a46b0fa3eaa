/** What a console is started with, checked whole and at once, with everything left out filled in. */
import { isIP } from 'node:net'
import { checkOptions, is, OptionsError, storeOptions } from 'warren'

/** `operator` may act, `viewer` may look. */
export type Role = 'operator' | 'viewer'

export interface Account {
  readonly user: string
  readonly password: string
  readonly role: Role
}

/** Somebody who was signed in elsewhere. */
export interface Identity {
  readonly user: string
  readonly role: Role
}

/** A proxy that signs people in, and names them in a header. */
export interface TrustedHeader {
  /** The header's name, as `x-forwarded-user`. The proxy must remove it from what comes from outside. */
  readonly header: string
  /** Who of them may act; the others may look. Default: nobody. */
  readonly operators?: readonly string[]
  /** The proxy's own addresses: the header of anybody else is not looked at. Default: `127.0.0.1` and `::1`. */
  readonly proxies?: readonly string[]
}

export interface ConsoleOptions {
  /** Broker address, or several of one cluster. */
  readonly broker: string | readonly string[]
  /** Address of the result store. Without one, tasks cannot be looked up. */
  readonly results?: string
  /**
   * RabbitMQ's management API, one address or several, with the path prefix if it has one. User and password default to
   * those of the broker. Default: port 15672 of each broker address.
   */
  readonly management?: string | readonly string[]
  /**
   * Each node's Prometheus endpoint (the plugin `rabbitmq_prometheus`), without the path `/metrics`. Asked for rates alone,
   * and only where RabbitMQ counts none for its management API. Default: port 15692 of each management address.
   */
  readonly metrics?: string | readonly string[]
  /** Where to listen. Default `127.0.0.1`. */
  readonly host?: string
  /** Default 8080; 0 takes a free one. */
  readonly port?: number
  /** Refuses everything that changes something. Default: false on loopback, true elsewhere. */
  readonly readOnly?: boolean
  /** Who may sign in. Default, on loopback only: `admin` with `admin`. */
  readonly accounts?: readonly Account[]
  /** Believes a header of a proxy that signs people in. Default: none is believed. */
  readonly trustedHeader?: TrustedHeader
  /**
   * Says who asks, for a console that is mounted in an application with a sign-in of its own; undefined: nobody that it
   * knows. It may return a promise. Default: nobody is known elsewhere.
   */
  readonly identify?: (request: Request) => Identity | undefined | Promise<Identity | undefined>
  /** The page's own address where a proxy changes the host, as `https://console.example.com`. */
  readonly origin?: string
  /** The path under which a proxy shows the page, as `/warren`, whether or not it takes that off. Default: none. */
  readonly basePath?: string
  /**
   * Pages that the head links to, by their names: paths on the page's own host, or http(s) addresses. Default: with
   * `control`, those that the local cluster serves; else none.
   */
  readonly links?: Readonly<Record<string, string>>
  /** The local cluster's control socket: with it, processes are shown, and can be stopped and started. */
  readonly control?: string
  /** The folder that keeps the key of sign-ins, so that they outlive a restart. Default: a new key for each start. */
  readonly stateFolder?: string
  /** The command that runs drills, as `['node', 'dist/cli/main.js']`. Default: there are none. */
  readonly drillCommand?: readonly string[]
  /** The delivery limit of dead-letter queues, as in `DeadLettersOptions`. */
  readonly deliveryLimit?: number
}

export interface ConsoleSettings {
  readonly broker: readonly string[]
  readonly results: string | undefined
  readonly management: readonly string[]
  readonly metrics: readonly string[]
  readonly host: string
  readonly port: number
  readonly loopback: boolean
  readonly readOnly: boolean
  readonly accounts: readonly Account[]
  readonly trusted: Required<TrustedHeader> | undefined
  readonly identify: ConsoleOptions['identify']
  readonly origin: string | undefined
  /** Without the slash at its end; empty without a prefix. */
  readonly basePath: string
  readonly links: Readonly<Record<string, string>> | undefined
  readonly vhost: string
  readonly control: string | undefined
  readonly stateFolder: string | undefined
  readonly drillCommand: readonly string[] | undefined
  readonly deliveryLimit: number | undefined
}

const DEFAULT_MANAGEMENT_PORT = 15_672
const DEFAULT_METRICS_PORT = 15_692
export const DEFAULT_PORT = 8080
export const DEFAULT_HOST = '127.0.0.1'

export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

const BASE_PATH = /^\/?(?:[\w.~-]+(?:\/[\w.~-]+)*\/?)?$/

const basePath = (value: unknown): string | undefined =>
  typeof value === 'string' && BASE_PATH.test(value) && !value.split('/').some((part) => /^\.+$/.test(part))
    ? undefined
    : 'a path such as /warren'

const isLink = (value: unknown): boolean =>
  typeof value === 'string' && (/^\/(?![/\\])/.test(value) || (/^https?:\/\//.test(value) && URL.canParse(value)))
const links = (value: unknown): string | undefined =>
  is.record(value) === undefined && Object.values(value as object).every(isLink)
    ? undefined
    : 'names with a path such as /grafana/ or an http(s) address each'

const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/
const listOfTexts = is.listOf(is.text, 'a list of names')
const listOfAddresses = is.listOf(
  (value) => (typeof value === 'string' && isIP(value) !== 0 ? undefined : 'an IP address'),
  'a list of IP addresses',
)

function trustedHeader(value: unknown): string | undefined {
  if (is.record(value) !== undefined) return 'a header, and who may act'
  const { header, operators, proxies, ...rest } = value as Record<string, unknown>
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) return `an object of \`header\`, \`operators\` and \`proxies\`, without \`${unknown}\``
  if (typeof header !== 'string' || !HEADER.test(header)) return 'an object whose `header` is the name of a header'
  if (operators !== undefined && listOfTexts(operators) !== undefined)
    return 'an object whose `operators` is a list of names'
  if (proxies !== undefined && listOfAddresses(proxies) !== undefined)
    return 'an object whose `proxies` is a list of IP addresses'
  return undefined
}

const addressWith =
  (...protocols: readonly string[]) =>
  (value: unknown): string | undefined =>
    typeof value === 'string' &&
    URL.canParse(value) &&
    protocols.includes(new URL(value).protocol) &&
    new URL(value).hostname !== ''
      ? undefined
      : `an address such as ${protocols[0]}//host`
const storeAddress = (value: unknown): string | undefined => {
  try {
    storeOptions(value as string)
    return undefined
  } catch {
    return 'an address such as redis://host or sentinel://host,host/NAME'
  }
}
const oneOrMore = (check: (value: unknown) => string | undefined, example: string) =>
  is.anyOf(check, is.listOf(check, `a list of them, such as ${example}`))
const isAccount = (value: unknown): string | undefined =>
  is.record(value) ??
  is.text((value as Account).user) ??
  is.text((value as Account).password) ??
  is.oneOf('operator', 'viewer')((value as Account).role)

/** What may hold a password is checked apart, so that no message ever shows it. */
const SECRET = {
  broker: oneOrMore(addressWith('amqp:', 'amqps:'), '["amqp://one", "amqp://two"]'),
  results: storeAddress,
  management: oneOrMore(addressWith('http:', 'https:'), '["http://one:15672", "http://two:15672"]'),
  metrics: oneOrMore(addressWith('http:', 'https:'), '["http://one:15692", "http://two:15692"]'),
  accounts: is.listOf(isAccount, 'a list of accounts, each with user, password and role'),
}

function checkSecrets(options: ConsoleOptions): void {
  const problems = Object.entries(SECRET).flatMap(([key, check]) => {
    const value = options[key as keyof typeof SECRET]
    const expected = value === undefined ? undefined : check(value)
    return expected === undefined ? [] : [`expected \`${key}\` to be ${expected}; what came is not shown`]
  })
  if (problems.length > 0) throw new OptionsError('startConsole', problems)
}

/** `mounted`: in an application that listens itself, and knows its hosts. Throws `OptionsError`. */
export function settle(options: ConsoleOptions, { mounted = false } = {}): ConsoleSettings {
  if (is.record(options) === undefined) checkSecrets(options)
  checkOptions(
    'startConsole',
    options,
    {
      ...SECRET,
      host: is.text,
      port: is.integer(0, 65_535),
      readOnly: is.flag,
      trustedHeader,
      identify: is.callback,
      basePath,
      links,
      origin: is.matching(/^https?:\/\/[^/]+$/, 'an origin such as https://console.example.com'),
      control: is.text,
      stateFolder: is.text,
      drillCommand: is.listOf(is.text, 'a list of words'),
      deliveryLimit: is.integer(2),
    },
    // A default password is for one's own machine only.
    ['broker', ...(isOnlyHere(options, mounted) || isSignedInElsewhere(options) ? [] : ['accounts'])],
  )
  const host = options.host ?? DEFAULT_HOST
  const loopback = isOnlyHere(options, mounted)
  const { identify, trustedHeader: trusted } = options
  const broker = listOf(options.broker)
  const management = managementOf(broker, options.management === undefined ? undefined : listOf(options.management))
  return {
    ...{ broker, management },
    results: options.results,
    metrics: options.metrics === undefined ? metricsOf(management) : listOf(options.metrics),
    host,
    port: options.port ?? DEFAULT_PORT,
    loopback,
    // An application that says who has which role has said who may act.
    readOnly: options.readOnly ?? !(loopback || identify !== undefined),
    accounts: options.accounts ?? defaultAccounts(loopback && !isSignedInElsewhere(options)),
    identify,
    trusted: trusted && {
      operators: [],
      proxies: ['127.0.0.1', '::1'],
      ...trusted,
      header: trusted.header.toLowerCase(),
    },
    origin: options.origin,
    basePath: (options.basePath ?? '').replace(/^\/*/, '/').replace(/\/+$/, ''),
    links: options.links,
    vhost: vhostOf(new URL(broker[0] ?? '')),
    control: options.control,
    stateFolder: options.stateFolder,
    drillCommand: options.drillCommand,
    deliveryLimit: options.deliveryLimit,
  }
}

const isOnlyHere = (options: ConsoleOptions, mounted: boolean): boolean =>
  !mounted && isLoopback(options?.host ?? DEFAULT_HOST)
const isSignedInElsewhere = (options: ConsoleOptions): boolean =>
  options?.identify !== undefined || options?.trustedHeader !== undefined
const defaultAccounts = (are: boolean): readonly Account[] =>
  are ? [{ user: 'admin', password: 'admin', role: 'operator' }] : []

const listOf = (value: string | readonly string[]): readonly string[] => (typeof value === 'string' ? [value] : value)

/** Addresses with a user each: their own, or that of the first broker address. */
export function managementOf(broker: readonly string[], given: readonly string[] | undefined): string[] {
  const first = new URL(broker[0] ?? '')
  const addresses =
    given ??
    broker.map((each) => {
      const { hostname, protocol } = new URL(each)
      return `${protocol === 'amqps:' ? 'https' : 'http'}://${hostname}:${DEFAULT_MANAGEMENT_PORT}`
    })
  return addresses.map((each) => {
    const url = new URL(each)
    if (url.username === '') {
      url.username = first.username || 'guest'
      url.password = first.password || 'guest'
    }
    return url.href.replace(/\/$/, '')
  })
}

function metricsOf(management: readonly string[]): string[] {
  const hosts = new Set(management.map((each) => new URL(each).hostname))
  return [...hosts].map((host) => `http://${host}:${DEFAULT_METRICS_PORT}`)
}

function vhostOf({ pathname }: URL): string {
  try {
    return pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/'
  } catch {
    return pathname.slice(1)
  }
}

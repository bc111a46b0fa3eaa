/** What a console is started with, checked whole and at once, with everything left out filled in. */
import { checkOptions, is, OptionsError, storeOptions } from 'warren'

/** `operator` may act, `viewer` may look. */
export type Role = 'operator' | 'viewer'

export interface Account {
  readonly user: string
  readonly password: string
  readonly role: Role
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
  /** Where to listen. Default `127.0.0.1`. */
  readonly host?: string
  /** Default 8080; 0 takes a free one. */
  readonly port?: number
  /** Refuses everything that changes something. Default: false on loopback, true elsewhere. */
  readonly readOnly?: boolean
  /** Who may sign in. Default, on loopback only: `admin` with `admin`. */
  readonly accounts?: readonly Account[]
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
  readonly host: string
  readonly port: number
  readonly loopback: boolean
  readonly readOnly: boolean
  readonly accounts: readonly Account[]
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

/** Throws `OptionsError`. */
export function settle(options: ConsoleOptions): ConsoleSettings {
  if (is.record(options) === undefined) checkSecrets(options)
  checkOptions(
    'startConsole',
    options,
    {
      ...SECRET,
      host: is.text,
      port: is.integer(0, 65_535),
      readOnly: is.flag,
      basePath,
      links,
      origin: is.matching(/^https?:\/\/[^/]+$/, 'an origin such as https://console.example.com'),
      control: is.text,
      stateFolder: is.text,
      drillCommand: is.listOf(is.text, 'a list of words'),
      deliveryLimit: is.integer(2),
    },
    // A default password is for one's own machine only.
    ['broker', ...(isLoopback(options?.host ?? DEFAULT_HOST) ? [] : ['accounts'])],
  )
  const host = options.host ?? DEFAULT_HOST
  const broker = listOf(options.broker)
  return {
    broker,
    results: options.results,
    management: managementOf(broker, options.management === undefined ? undefined : listOf(options.management)),
    host,
    port: options.port ?? DEFAULT_PORT,
    loopback: isLoopback(host),
    readOnly: options.readOnly ?? !isLoopback(host),
    accounts: options.accounts ?? [{ user: 'admin', password: 'admin', role: 'operator' }],
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

function vhostOf({ pathname }: URL): string {
  try {
    return pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/'
  } catch {
    return pathname.slice(1)
  }
}

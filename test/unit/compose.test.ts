/**
 * docker compose and the local cluster are the same system: what one of them has and the other has not fails here. On
 * configuration alone; test/promises/compose.test.ts compares two that run.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Binaries } from '../../cluster/binaries.js'
import { haproxy } from '../../cluster/haproxy.js'
import { DEFAULT_AMQP_PORT, DEFAULT_EDGE_PORT } from '../../cluster/ports.js'
import { DEFAULT_WORKERS, settle } from '../../cluster/settings.js'
import { passwordFile, withPassword } from '../../demo/secrets.js'
import { demoDefinitions, users } from '../../demo/topology.js'
import { workerSettings } from '../../demo/worker.js'
import { prometheusConfig } from '../../monitoring/scraping.js'
import { defaults, storeOptions } from '../../src/index.js'

const root = new URL('../..', import.meta.url)
const text = (path: string): string => readFileSync(new URL(path, root), 'utf8')

interface Service {
  image: string
  build?: object
  command?: string[]
  environment?: Record<string, string>
  ports?: string[]
  secrets?: string[]
  volumes?: string[]
  configs?: { source: string; target: string }[]
  networks: string[]
  read_only?: boolean
  init?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  mem_limit?: string
  healthcheck?: object
  profiles?: string[]
  restart: string
  stop_grace_period?: string
  deploy?: { replicas: number }
  depends_on?: Record<string, { condition: string }>
}

const compose = parse(text('compose.yaml'), { merge: true }) as {
  services: Record<string, Service>
  configs: Record<string, { file: string }>
  secrets: Record<string, { file: string }>
  networks: Record<string, { internal?: boolean }>
  volumes: Record<string, object>
}
const services = Object.entries(compose.services)
const service = (name: string): Service => compose.services[name] as Service
const NODES = ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3']

/** A value with its defaults filled in: `${NAME:-default}` is the default, since nothing is set. */
const unset = (value: string): string => value.replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1')
const environmentOf = (name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(service(name).environment ?? {}).map(([key, value]) => [key, unset(value)]))
/** As a container sees it: its environment, and the secrets' folder where it is in the repository. */
const inside = (name: string): NodeJS.ProcessEnv => ({
  ...environmentOf(name),
  WARREN_SECRETS_DIR: fileURLToPath(new URL('config/secrets/demo', root)),
})

describe('Topology, policies and users are the same', () => {
  const there = demoDefinitions(inside('setup'))
  const here = demoDefinitions({})

  it.each(['vhosts', 'permissions', 'exchanges', 'queues', 'bindings', 'policies'])('%s', (part) => {
    expect(here[part]).toBeDefined()
    expect(there[part]).toEqual(here[part])
  })

  it('users with their passwords and tags', () => {
    expect(users(inside('setup'))).toEqual(users({}))
    expect(service('setup').command).toEqual(
      expect.arrayContaining(['definitions', '--load', 'http://rabbitmq-1:15672/rabbitmq']),
    )
  })

  it('the type of the user queue, which quorum.env sets for all who need to know', () => {
    for (const name of ['setup', 'worker', 'client']) {
      expect(service(name).environment?.WARREN_USER_QUEUE_TYPE, name).toMatch(/^\$\{WARREN_USER_QUEUE_TYPE:-\}$/)
    }
    expect(text('quorum.env')).toMatch(/^WARREN_USER_QUEUE_TYPE=quorum$/m)
  })

  it('workers and clients sign in as the same users, with passwords from files', () => {
    const worker = workerSettings(inside('worker'))
    expect(worker).toMatchObject({
      broker: ['amqp://service:service@haproxy:5672'],
      results: 'redis://results:results@valkey:6379',
      httpPort: 9000,
      httpHost: '0.0.0.0',
      gracePeriodMs: defaults.gracePeriodMs,
      concurrency: undefined,
      prefetch: undefined,
      logLevel: 'info',
    })
    expect(withPassword(environmentOf('client').WARREN_BROKER ?? '', inside('client'))).toBe(
      'amqp://client:client@haproxy:5672',
    )
  })
})

it('Building the client leaves the image of the workers alone, so that the next up does not replace them', () => {
  const others = services.filter(([name, { build }]) => name !== 'client' && build !== undefined)
  expect(others.length).toBeGreaterThan(0)
  for (const [, { image }] of others) expect(image).not.toBe(service('client').image)
})

describe('Servers have the same configuration', () => {
  it('RabbitMQ: no node starts on data that its version would lose', () => {
    const check = { source: 'rabbitmq-check-data', target: '/etc/warren/check-data.sh' }
    for (const name of NODES) expect(service(name).configs).toContainEqual(check)
    expect(text('config/rabbitmq/start.sh')).toMatch(
      /^sh \/etc\/warren\/check-data\.sh [\s\S]*^exec docker-entrypoint/m,
    )
  })

  it('RabbitMQ: one file for both, and what is added agrees', () => {
    for (const name of NODES) {
      expect(service(name).configs?.map(({ source }) => compose.configs[source]?.file)).toContain(
        './config/rabbitmq/rabbitmq.conf',
      )
    }
    const added = text('config/rabbitmq/compose.conf')
    const local = text('cluster/rabbitmqNode.ts')
    expect(added).toContain('\ncluster_name = warren\n')
    expect(local).toContain('cluster_name = warren')
    // RabbitMQ 4.3 has no Mnesia to heal; the local cluster also runs older ones.
    expect(service('rabbitmq-1').image).toMatch(/^rabbitmq:4\.3/)
    expect(added).not.toContain('cluster_partition_handling')
    const ticktime = /net_ticktime (\d+)/
    expect(ticktime.exec(environmentOf('rabbitmq-1').RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS ?? '')?.[1]).toBe(
      ticktime.exec(local)?.[1],
    )
  })

  it('HAProxy: one file for both, with the same routes; each of its settings is given by both', () => {
    const needed = new Set(
      [...text('config/haproxy/haproxy.cfg').matchAll(/\b(WARREN_[A-Z0-9_]+)/g)].map(([, name]) => name),
    )
    // HAProxy's cookie is no setting, and the name server is for containers alone.
    needed.delete('WARREN_NODE')
    needed.delete('WARREN_NAME_SERVER')
    const started = haproxy(settle({ env: {} }), { haproxy: 'haproxy' } as Binaries).launch()
    expect(started.args.at(-1)).toBe(fileURLToPath(new URL('config/haproxy/haproxy.cfg', root)))
    expect(service('haproxy').volumes?.[0]).toMatch(/^\.\/config\/haproxy\/haproxy\.cfg:/)
    const exported = /^export (.+)$/m.exec(text('config/haproxy/start.sh'))?.[1]?.split(' ') ?? []
    const there = [...Object.keys(environmentOf('haproxy')), ...exported].filter(
      (name) => name !== 'WARREN_NAME_SERVER',
    )
    const here = Object.keys(started.env).filter((name) => name.startsWith('WARREN_'))
    expect(here.sort()).toEqual([...needed].sort())
    expect(there.sort()).toEqual(here)
    expect(environmentOf('haproxy').WARREN_NAME_SERVER).toBe('127.0.0.11:53')
  })

  it('Valkey: one file for both', () => {
    expect(service('valkey').volumes?.[0]).toMatch(/^\.\/config\/valkey\/valkey\.conf:\/etc\/valkey\/valkey\.conf:ro$/)
    expect(text('config/valkey/start.sh')).toContain('exec valkey-server /etc/valkey/valkey.conf')
    expect(text('cluster/store.ts')).toContain("configFile('valkey', 'valkey.conf')")
  })

  it("gives the store's user the keys and channels that the guide says it needs", () => {
    const [rules] = /^user results .*$/m.exec(text('config/valkey/start.sh')) ?? []
    for (const [what, sigil] of [
      ['keys', '~'],
      ['channels', '&'],
    ] as const) {
      const row = new RegExp(`^\\| ${what} \\|.*$`, 'm').exec(text('docs/guide/results.md'))?.[0] ?? ''
      const needed = [...row.matchAll(/`([^`]+)`/g)].map(([, pattern]) => `${sigil}${pattern}`)
      expect(needed).not.toEqual([])
      expect(rules?.split(' ').filter((word) => word.startsWith(sigil))).toEqual(needed)
    }
  })

  it('Prometheus: the same jobs, paths and rules, found in another way', () => {
    const jobs = (deployment: 'local' | 'compose') => {
      const { scrape_configs, ...rest } = prometheusConfig(deployment) as { scrape_configs: Record<string, unknown>[] }
      const plain = scrape_configs.map(({ job_name, metrics_path, params }) => ({ job_name, metrics_path, params }))
      return { ...rest, plain }
    }
    expect(jobs('compose')).toEqual(jobs('local'))
  })

  it('the same ports for people, the same number of workers', () => {
    expect(service('haproxy').ports?.map(unset)).toEqual([
      `127.0.0.1:${DEFAULT_EDGE_PORT}:8000`,
      `127.0.0.1:${DEFAULT_AMQP_PORT}:5672`,
    ])
    expect(service('worker').deploy?.replicas).toBe(DEFAULT_WORKERS)
  })
})

describe('As shipped, compose.yaml', () => {
  it('publishes the edge and AMQP on the loopback interface, and nothing else', () => {
    expect(services.filter(([, each]) => each.ports !== undefined).map(([name]) => name)).toEqual(['haproxy'])
    for (const port of service('haproxy').ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/)
    expect(compose.networks.inside).toEqual({ internal: true })
    for (const [name, { networks }] of services) {
      expect(networks, name).toEqual(name === 'haproxy' ? ['inside', 'outside'] : ['inside'])
    }
  })

  it.each(services)('%s: pinned, confined, with a limit', (_, each) => {
    expect(each.image).toMatch(/^[\w./-]+:(?!latest$)[\w.-]+$/)
    expect(each).toMatchObject({ read_only: true, init: true, cap_drop: ['ALL'] })
    expect(each.security_opt).toEqual(['no-new-privileges:true'])
    expect(each.mem_limit).toBeDefined()
  })

  it('has a health check for what stays, and starts things when what they need is healthy', () => {
    const staying = services.filter(([, { restart }]) => restart !== 'no')
    for (const [name, { healthcheck }] of staying) expect(healthcheck, name).toBeDefined()
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        expect(condition, `${name} on ${other}`).toBe(
          other === 'setup' ? 'service_completed_successfully' : 'service_healthy',
        )
      }
    }
    expect(Object.keys(service('setup').depends_on ?? {})).toEqual(NODES)
    // Running the client must not start a node that somebody has stopped.
    expect(Object.keys(service('client').depends_on ?? {})).toEqual(['haproxy', 'valkey'])
    expect(service('client').profiles).toEqual(['client'])
  })

  it('gives a worker more time to end than it takes to drain', () => {
    const grace = Number(/^(\d+)s$/.exec(service('worker').stop_grace_period ?? '')?.[1]) * 1000
    expect(grace).toBeGreaterThanOrEqual(Number(environmentOf('worker').WARREN_GRACE_MS) + 10_000)
  })

  it('keeps the data of each server in a volume of its own', () => {
    for (const name of [...NODES, 'valkey', 'prometheus', 'grafana']) {
      expect(Object.keys(compose.volumes)).toContain(name)
      expect(
        service(name).volumes?.some((each) => each.startsWith(`${name}:/`)),
        name,
      ).toBe(true)
    }
  })

  it('has no password in an environment or a command: all come from files that are there', () => {
    for (const [name, { environment = {}, command = [] }] of services) {
      for (const [key, value] of Object.entries(environment)) {
        if (/PASSWORD|COOKIE|SECRET/.test(key)) expect(value, `${name} ${key}`).toMatch(/^\/run\/secrets/)
        expect(value, `${name} ${key}`).not.toMatch(/:\/\/[^/]*:[^/]*@/)
      }
      expect(command.join(' ')).not.toMatch(/:\/\/[^/]*:[^/]*@/)
    }
    const demo = { WARREN_SECRETS_DIR: inside('setup').WARREN_SECRETS_DIR }
    for (const name of Object.keys(compose.secrets).filter((each) => each.endsWith('_password'))) {
      expect(passwordFile(name.replace('_password', ''), demo), name).toMatch(/^\w+$/)
    }
  })
})

describe('Passwords from files', () => {
  const env = inside('worker')
  it('fill in for a user without one, and change nothing else', () => {
    expect(withPassword('amqp://service@h:1/v', env)).toBe('amqp://service:service@h:1/v')
    for (const address of ['amqp://service:own@h:1', 'redis://h:1', 'amqp://nobody@h:1', 'no address']) {
      expect(withPassword(address, env)).toBe(address)
    }
    expect(withPassword('amqp://service@h:1', {})).toBe('amqp://service@h:1')
    const sentinels = 'sentinel://results@one:1,two:2/results'
    expect(withPassword(sentinels, env)).toBe('sentinel://results:results@one:1,two:2/results')
    expect(withPassword(sentinels, {})).toBe(sentinels)
  })
})

describe('deploy/store-replica/compose.yaml', () => {
  const overlay = parse(text('deploy/store-replica/compose.yaml'), { merge: true }) as typeof compose
  const added = ['valkey-replica', 'sentinel-1', 'sentinel-2', 'sentinel-3']

  it('adds a replica and three Sentinels, as safe as what is in compose.yaml, each with a volume', () => {
    const names = Object.keys(overlay.services)
    expect(names.filter((name) => !(name in compose.services))).toEqual(added)
    for (const name of added) {
      const { volumes = [], ...settings } = overlay.services[name] as Service
      expect(settings).toMatchObject({
        ...{ image: service('valkey').image, read_only: true, init: true, cap_drop: ['ALL'] },
        ...{ security_opt: ['no-new-privileges:true'], restart: 'unless-stopped' },
      })
      expect(Object.keys(settings.networks)).toEqual(['inside'])
      expect(settings.healthcheck).toBeDefined()
      expect(settings.mem_limit).toBeDefined()
      expect(volumes).toContain(`${name}:/data`)
      expect(Object.keys(overlay.volumes)).toContain(name)
    }
  })

  it('tells everybody who has a store where its Sentinels are', () => {
    const users = services.filter(([, { environment = {} }]) => environment.WARREN_RESULTS !== undefined)
    for (const [name] of users) {
      const address = overlay.services[name]?.environment?.WARREN_RESULTS ?? ''
      const { sentinels, name: primary } = storeOptions(address)
      expect(sentinels?.map(({ host }) => host)).toEqual(added.slice(1))
      expect(text('config/valkey/sentinel.sh')).toContain(`sentinel monitor ${primary} $WARREN_STORE_ADDRESS 6379 2`)
    }
    expect(users.length).toBe(4)
  })
})

describe('deploy/production/compose.yaml', () => {
  const overlay = parse(text('deploy/production/compose.yaml'), { merge: true }) as typeof compose

  it('lays files over services that are there, after those of compose and before nothing else', () => {
    for (const [name, { configs = [] }] of Object.entries(overlay.services)) {
      expect(Object.keys(compose.services)).toContain(name)
      for (const { source } of configs) expect(text(overlay.configs[source]?.file ?? '')).toMatch(/^#/)
    }
    const targets = NODES.flatMap((name) => overlay.services[name]?.configs?.map(({ target }) => target) ?? [])
    // RabbitMQ reads them in the order of their names, and the last one counts.
    expect(targets).toEqual(NODES.map(() => '/etc/rabbitmq/conf.d/40-production.conf'))
  })

  it('leaves a node and the store less than their containers have', () => {
    const limit = /^maxmemory (\d+)mb$/m.exec(text('config/valkey/production.conf'))?.[1]
    expect(Number(limit)).toBeLessThan(0.75 * Number(/^(\d+)m$/.exec(unset(service('valkey').mem_limit ?? ''))?.[1]))
    expect(text('config/valkey/start.sh')).toContain('--include /etc/valkey/production.conf')
  })
})

describe('.dockerignore', () => {
  it('lets through every folder that the compiled folders import', () => {
    const allowed = [...text('.dockerignore').matchAll(/^!(\w+)$/gm)].map(([, folder]) => folder as string)
    const compiled = (JSON.parse(text('tsconfig.build.json')) as { include: string[] }).include
    const imported = new Set<string>()
    for (const folder of allowed.filter((each) => compiled.includes(each)))
      for (const path of readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' }))
        if (path.endsWith('.ts'))
          for (const [, from] of text(`${folder}/${path}`).matchAll(/(?:from|import\() ?'(\.[^']+)'/g))
            imported.add(new URL(from as string, `file:///${folder}/${path}`).pathname.split('/')[1] as string)
    expect(imported).toContain('doctor')
    expect([...imported].filter((folder) => !allowed.includes(folder))).toEqual([])
  })
})

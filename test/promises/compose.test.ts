/**
 * The promise: docker compose and the local cluster are the same system. Compares two that run: the tests' cluster with the one
 * whose edge is named, as WARREN_COMPOSE_EDGE=http://127.0.0.1:8000, with its demo passwords. Without one there is nothing to
 * compare; test/unit/compose.test.ts holds the same of the configurations.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manage, scale, testCluster } from '../support/cluster.js'

const edge = process.env.WARREN_COMPOSE_EDGE || undefined
const basic = { authorization: `Basic ${btoa('admin:admin')}` }

interface Definitions {
  readonly users: { name: string; tags: string[]; hashing_algorithm: string }[]
  readonly [part: string]: unknown
}

/** What does not depend on the moment: in order, without salted hashes and without the virtual hosts of other tests. */
function comparable({ users, ...all }: Definitions, part: string): unknown[] {
  if (part === 'users')
    return sorted(users.map(({ name, tags, hashing_algorithm }) => ({ name, tags, hashing_algorithm })))
  const rows = all[part] as { vhost?: string; name?: string }[]
  const inRoot = rows.filter(({ vhost, name }) => (part === 'vhosts' ? name : vhost) === '/')
  return sorted(part === 'vhosts' ? inRoot.map(({ name }) => name) : inRoot)
}
const sorted = (rows: readonly unknown[]): unknown[] => rows.map((row) => JSON.stringify(row, keysInOrder)).sort()
const keysInOrder = (_key: string, value: unknown): unknown =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a.localeCompare(b)))
    : value

describe.skipIf(edge === undefined)('docker compose and the local cluster, both running', () => {
  let here: Definitions
  let there: Definitions

  beforeAll(async () => {
    // A worker declares the service's part.
    await scale(1)
    here = await manage('GET', '/definitions')
    there = (await (await fetch(`${edge}/rabbitmq/api/definitions`, { headers: basic })).json()) as Definitions
  })
  afterAll(() => scale(0))

  it.each(['users', 'vhosts', 'permissions', 'exchanges', 'queues', 'bindings', 'policies'])('%s', (part) => {
    expect(comparable(here, part).length).toBeGreaterThan(0)
    expect(comparable(there, part)).toEqual(comparable(here, part))
  })

  it.each(['admin', 'operator', 'service', 'client'])('sign-in of %s', async (name) => {
    const authorization = `Basic ${btoa(`${name}:${name}`)}`
    const answers = [edge, testCluster().edge].map((each) =>
      fetch(`${each}/rabbitmq/api/whoami`, { headers: { authorization } }).then(({ status }) => status),
    )
    const [one, other] = await Promise.all(answers)
    expect(one).toBe(other)
  })

  it.each([
    ['/rabbitmq', 302, 302],
    ['/rabbitmq/', 200, 200],
    ['/haproxy', 401, 401],
    ['/haproxy/metrics', 200, 200],
    // Neither runs in the tests' cluster; the page says so.
    ['/prometheus/-/ready', 200, 503],
    ['/grafana/api/health', 200, 503],
  ])('the route %s', async (path, inCompose, inLocal) => {
    const status = async (each: string | undefined) => (await fetch(`${each}${path}`, { redirect: 'manual' })).status
    expect([await status(edge), await status(testCluster().edge)]).toEqual([inCompose, inLocal])
  })
})

/**
 * The manifests are what the code says, fit Kubernetes' and KEDA's schemas, and name nothing that is not there. Nothing here
 * runs on a cluster. After a change: npx vitest run --project unit test/unit/kubernetes.test.ts -u
 */
import { readdirSync, readFileSync } from 'node:fs'
import { ScaledObject, TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1'
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Service } from 'kubernetes-models/v1'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { demoDefinitions, users } from '../../demo/topology.js'
import { manifests } from '../../deploy/kubernetes/manifests.js'

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const { services } = parse(text('compose.yaml'), { merge: true }) as { services: Record<string, { image: string }> }
const files = manifests({
  images: { rabbitmq: services['rabbitmq-1']?.image ?? '', valkey: services.valkey?.image ?? '' },
  rabbitmqConf: text('config/rabbitmq/rabbitmq.conf'),
  rabbitmqProductionConf: text('config/rabbitmq/production.conf'),
  rabbitmqAdvancedConfig: text('config/rabbitmq/advanced.config'),
  valkeyConf: text('config/valkey/valkey.conf'),
  valkeyProductionConf: text('config/valkey/production.conf'),
  valkeyStart: text('config/valkey/start.sh'),
})

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: Record<string, unknown>
}
const all = [...files]
  .filter(([file]) => file !== 'kustomization.yaml')
  .flatMap(([, yaml]) => parseAllDocuments(yaml).map((each) => each.toJS() as Manifest))
const ofKind = (kind: string): Manifest[] => all.filter((each) => each.kind === kind)
const names = (kind: string): string[] => ofKind(kind).map(({ metadata }) => metadata.name)

describe('deploy/kubernetes', () => {
  it.each([...files])('%s is what the code says', async (file, yaml) => {
    await expect(yaml).toMatchFileSnapshot(`../../deploy/kubernetes/${file}`)
  })

  it('has no other manifests', () => {
    const there = readdirSync(new URL('../../deploy/kubernetes', import.meta.url)).filter((each) =>
      each.endsWith('.yaml'),
    )
    expect(there.sort()).toEqual([...files.keys()].sort())
  })
})

/** Whose resources have no package of schemas here. */
const OPERATORS = ['rabbitmq.com/v1beta1', 'monitoring.coreos.com/v1']

describe('Schemas', () => {
  // biome-ignore lint/suspicious/noExplicitAny: each model takes data of its own shape, and is here to judge it.
  const models: Record<string, new (data: any) => { validate(): void }> = {
    ...{ Deployment, StatefulSet, PodDisruptionBudget, ConfigMap, Service },
    ...{ ScaledObject, TriggerAuthentication },
  }
  const judged = all.filter(({ apiVersion }) => !OPERATORS.includes(apiVersion))

  it.each(judged.map((each) => [each.kind, each.metadata.name, each] as const))('%s %s fits', (kind, _, manifest) => {
    const Model = models[kind]
    if (Model === undefined) return expect.unreachable(`no schema for ${kind}`)
    expect(() => new Model(manifest).validate()).not.toThrow()
  })

  it('find what is wrong', () => {
    const [worker] = ofKind('Deployment')
    expect(() =>
      new Deployment({ ...worker, spec: { ...worker?.spec, selector: 'all' } } as never).validate(),
    ).toThrow()
  })

  // RabbitMQ's operators and Prometheus' have no package of schemas here: these say the same as their definitions, for what is used.
  const reference = { rabbitmqClusterReference: z.strictObject({ name: z.literal('warren') }) }
  const vhost = z.literal('/')
  const named = { name: z.string(), type: z.string(), durable: z.boolean() }
  const quantities = z.strictObject({ cpu: z.string(), memory: z.string() })
  const specs: Record<string, z.ZodType> = {
    RabbitmqCluster: z.strictObject({
      image: z.string(),
      replicas: z.int(),
      persistence: z.strictObject({ storage: z.string() }),
      resources: z.strictObject({ requests: quantities, limits: quantities }),
      affinity: z.looseObject({}),
      rabbitmq: z.strictObject({
        additionalConfig: z.string().max(100_000),
        advancedConfig: z.string().max(100_000),
      }),
    }),
    Exchange: z.strictObject({ ...reference, ...named, vhost, arguments: z.looseObject({}).optional() }),
    Queue: z.strictObject({ ...reference, ...named, vhost, arguments: z.looseObject({}).optional() }),
    Binding: z.strictObject({
      ...{ ...reference, vhost, source: z.string(), destination: z.string(), routingKey: z.string() },
      destinationType: z.enum(['exchange', 'queue']),
      arguments: z.looseObject({}).optional(),
    }),
    Policy: z.strictObject({
      ...{ ...reference, vhost, name: z.string(), pattern: z.string(), definition: z.looseObject({}) },
      applyTo: z.enum(['queues', 'classic_queues', 'quorum_queues', 'exchanges', 'all']),
    }),
    User: z.strictObject({
      ...reference,
      tags: z.array(z.enum(['management', 'policymaker', 'monitoring', 'administrator'])),
      importCredentialsSecret: z.strictObject({ name: z.string() }),
    }),
    PodMonitor: z.strictObject({
      selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
      podMetricsEndpoints: z.array(
        z.strictObject({
          ...{ port: z.string(), path: z.string().optional(), interval: z.string().regex(/^\d+s$/) },
          params: z.record(z.string(), z.array(z.string())).optional(),
          relabelings: z.array(
            z.strictObject({
              ...{ targetLabel: z.string(), replacement: z.string().optional() },
              sourceLabels: z.array(z.string()).optional(),
            }),
          ),
        }),
      ),
    }),
    PrometheusRule: z.strictObject({
      groups: z.array(
        z.strictObject({
          name: z.string(),
          rules: z.array(
            z.strictObject({
              ...{ alert: z.string(), expr: z.string(), for: z.string().regex(/^\d+[smh]$/) },
              ...{ labels: z.record(z.string(), z.string()), annotations: z.record(z.string(), z.string()) },
            }),
          ),
        }),
      ),
    }),
    Permission: z.strictObject({
      ...{ ...reference, vhost, userReference: z.strictObject({ name: z.string() }) },
      permissions: z.strictObject({ configure: z.string(), write: z.string(), read: z.string() }),
    }),
  }
  const operators = all.filter(({ apiVersion }) => OPERATORS.includes(apiVersion))
  it.each(operators.map((each) => [each.kind, each.metadata.name, each] as const))(
    '%s %s fits',
    (kind, name, { spec }) => {
      expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      expect(specs[kind]?.safeParse(spec).error).toBeUndefined()
    },
  )
})

describe('The manifests hang together', () => {
  it('topology: all that the definitions file has, but for the administrator', () => {
    const definitions = demoDefinitions({}) as unknown as Record<string, { name?: string }[]>
    const specNames = (kind: string) => ofKind(kind).map(({ spec }) => spec.name)
    for (const [kind, part] of [
      ['Exchange', 'exchanges'],
      ['Queue', 'queues'],
      ['Policy', 'policies'],
    ] as const) {
      expect(specNames(kind)).toEqual(definitions[part]?.map(({ name }) => name))
    }
    const policies = definitions.policies as unknown as { definition: object }[]
    expect(ofKind('Policy').map(({ spec }) => spec.definition)).toEqual(policies.map(({ definition }) => definition))
    // What is a queue's type here is one of its arguments there; none of the others may be lost.
    const parts = definitions as unknown as Record<string, { arguments: Record<string, unknown> }[]>
    for (const [kind, part] of [
      ['Exchange', 'exchanges'],
      ['Queue', 'queues'],
    ] as const) {
      expect(ofKind(kind).map(({ spec }) => spec.arguments ?? {})).toEqual(
        parts[part]?.map(({ arguments: { 'x-queue-type': _, ...others } }) => others),
      )
    }
    const bindings = definitions.bindings as unknown as Record<string, unknown>[]
    expect(ofKind('Binding').map(({ spec }) => [spec.source, spec.destination, spec.destinationType])).toEqual(
      bindings.map((each) => [each.source, each.destination, each.destination_type]),
    )
    expect(new Set(all.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).size).toBe(all.length)
    const others = users({}).filter(({ name }) => name !== 'admin')
    expect(names('User')).toEqual(others.map(({ name }) => name))
    expect(ofKind('Permission').map(({ spec }) => spec.permissions)).toEqual(
      others.map(({ permissions }) => permissions),
    )
  })

  it('the scaler watches every task queue, ready and unacknowledged, on a Deployment that is there', () => {
    const [scaled] = ofKind('ScaledObject') as unknown as {
      spec: {
        scaleTargetRef: { name: string }
        triggers: { metadata: Record<string, string>; authenticationRef: { name: string } }[]
      }
    }[]
    expect(names('Deployment')).toContain(scaled?.spec.scaleTargetRef.name)
    const policies = ofKind('Policy').map(({ spec }) => String(spec.name))
    expect(scaled?.spec.triggers.map(({ metadata }) => metadata.queueName).sort()).toEqual(
      policies.filter((name) => !name.endsWith('.dlq')).sort(),
    )
    for (const { metadata, authenticationRef } of scaled?.spec.triggers ?? []) {
      expect(metadata).toMatchObject({ protocol: 'http', mode: 'QueueLength', excludeUnacknowledged: 'false' })
      expect(names('TriggerAuthentication')).toContain(authenticationRef.name)
    }
  })

  it('nodes have the production profile over what all nodes have, each setting once', () => {
    const configs = ofKind('RabbitmqCluster').map(({ spec }) => spec.rabbitmq as { additionalConfig: string })
    const lines = configs.flatMap(({ additionalConfig }) => additionalConfig.trim().split('\n'))
    const own = text('config/rabbitmq/production.conf')
      .split('\n')
      .filter((line) => /^[a-z]/.test(line))
    expect(lines).toEqual(expect.arrayContaining([...own, 'queue_leader_locator = balanced', 'heartbeat = 10']))
    const keys = lines.map((line) => line.split(' = ')[0])
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys).not.toContain('management.path_prefix')
  })

  it('what is scraped is what the alerts ask for, from pods that are there', () => {
    const monitors = ofKind('PodMonitor') as unknown as {
      spec: { selector: { matchLabels: object }; podMetricsEndpoints: { relabelings: { replacement?: string }[] }[] }
    }[]
    const jobs = monitors.flatMap(({ spec }) =>
      spec.podMetricsEndpoints.map((each) => each.relabelings[0]?.replacement),
    )
    expect(jobs).toEqual(['rabbitmq', 'rabbitmq-queues', 'workers', 'store'])
    const pods = (ofKind('Deployment') as unknown as { spec: { template: { metadata: { labels: object } } } }[]).map(
      ({ spec }) => spec.template.metadata.labels,
    )
    for (const { spec } of monitors.slice(1)) expect(pods).toContainEqual(spec.selector.matchLabels)
  })

  it('workers get more time to end than they take to drain', () => {
    const [worker] = ofKind('Deployment') as unknown as {
      spec: {
        template: {
          spec: { terminationGracePeriodSeconds: number; containers: { env: { name: string; value?: string }[] }[] }
        }
      }
    }[]
    const pod = worker?.spec.template.spec
    const grace = pod?.containers[0]?.env.find(({ name }) => name === 'WARREN_GRACE_MS')?.value
    expect(Number(pod?.terminationGracePeriodSeconds) * 1000).toBeGreaterThanOrEqual(Number(grace) + 10_000)
  })
})

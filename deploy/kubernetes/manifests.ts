/** All manifests, by file. Pure: the texts of shared files come in. */
import { stringify } from 'yaml'
import { cluster, clusterBudget, topology } from './broker.js'
import { nodeMonitor, rules, storeExporter, storeMonitor, workerMonitor } from './monitoring.js'
import { store, storeFiles, storeService } from './store.js'
import { scaler, scalerAuthentication, workers, workersBudget } from './workers.js'

export interface SharedTexts {
  /** Of each image that docker compose runs, by service. */
  readonly images: { readonly rabbitmq: string; readonly valkey: string }
  readonly rabbitmqConf: string
  readonly rabbitmqProductionConf: string
  readonly rabbitmqAdvancedConfig: string
  readonly valkeyConf: string
  readonly valkeyProductionConf: string
  readonly valkeyStart: string
}

/** Yours: the image of this repository has to be where the cluster's machines find it. */
const WORKER_IMAGE = 'registry.example.com/warren:0.1.0'

/** Yours: where people who are called find the runbooks. */
const RUNBOOKS = 'https://docs.example.com/warren/runbooks'

export function resources(texts: SharedTexts): Readonly<Record<string, readonly object[]>> {
  return {
    'rabbitmq.yaml': [
      cluster(texts.images.rabbitmq, {
        shared: texts.rabbitmqConf,
        production: texts.rabbitmqProductionConf,
        advanced: texts.rabbitmqAdvancedConfig,
      }),
      clusterBudget(),
    ],
    'topology.yaml': topology(),
    'valkey.yaml': [
      storeFiles({
        'valkey.conf': texts.valkeyConf,
        'production.conf': texts.valkeyProductionConf,
        'start.sh': texts.valkeyStart,
      }),
      storeService(),
      store(texts.images.valkey),
    ],
    'workers.yaml': [workers(WORKER_IMAGE), workersBudget()],
    'scaling.yaml': [scalerAuthentication(), scaler()],
    'monitoring.yaml': [nodeMonitor(), workerMonitor(), storeExporter(WORKER_IMAGE), storeMonitor(), rules(RUNBOOKS)],
  }
}

const HEADER =
  '# Made from deploy/kubernetes/*.ts. To change it: npx vitest run --project unit test/unit/kubernetes.test.ts -u\n'

export function manifests(texts: SharedTexts): ReadonlyMap<string, string> {
  const all = resources(texts)
  const files = Object.entries(all).map(([file, list]): [string, string] => [
    file,
    HEADER + list.map((each) => stringify(each, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n'),
  ])
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    namespace: 'warren',
    // What needs the Prometheus Operator is applied by those who have it.
    resources: Object.keys(all).filter((file) => file !== 'monitoring.yaml'),
  }
  return new Map([...files, ['kustomization.yaml', HEADER + stringify(kustomization)]])
}

/** What the manifests call things. Pure. */

/** The RabbitmqCluster, and so its Service. */
export const CLUSTER = 'warren'
export const STORE = 'valkey'
export const WORKER = 'worker'

/** Labels by which a part is found, and all of them. */
export const labels = (component: string): Record<string, string> => ({
  'app.kubernetes.io/part-of': 'warren',
  'app.kubernetes.io/component': component,
})

export const meta = (name: string, component = name): { name: string; labels: Record<string, string> } => ({
  name,
  labels: labels(component),
})

/** What is made from this folder, by its path in config/. Pure. */
import { stringify } from 'yaml'
import { alertRules } from './alerts.js'
import { rabbitmqDashboard } from './rabbitmq.js'
import { prometheusConfig } from './scraping.js'
import { queueDashboard, systemDashboard, taskDashboard } from './warren.js'

const UPDATE = 'npx vitest run --project unit test/unit/dashboards.test.ts -u'
const yaml = (value: unknown): string =>
  `# Made from monitoring/. To change it: ${UPDATE}\n${stringify(value, { lineWidth: 0 })}`
const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

export const dashboards = () => [systemDashboard(), queueDashboard(), taskDashboard(), rabbitmqDashboard()]

export function files(): ReadonlyMap<string, string> {
  return new Map([
    ['prometheus/prometheus.yml', yaml(prometheusConfig('local'))],
    ['prometheus/compose.yml', yaml(prometheusConfig('compose'))],
    ['prometheus/alerts.yml', yaml(alertRules())],
    ...dashboards().map((each): [string, string] => [`grafana/dashboards/${each.uid}.json`, json(each)]),
  ])
}

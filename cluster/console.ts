/** The console: the page behind `/` of the edge. It reaches this launcher by its control socket, as other terminals do. */
import { join } from 'node:path'
import { metricsAddresses } from './clusterStatus.js'
import { repositoryRoot } from './folder.js'
import { LOOPBACK, NODE_NUMBERS, ports } from './ports.js'
import type { ProcessDefinition } from './processDefinition.js'
import type { Settings } from './settings.js'
import { storeAddress } from './store.js'

export function consoleProcess(settings: Settings): ProcessDefinition {
  const { folder, ports: plan, env, passwords } = settings
  const port = ports.console(plan)
  return {
    name: 'console',
    kind: 'console',
    ports: [port],
    logFile: folder.log('console'),
    pidFile: folder.pidFile('console'),
    launch: () => ({
      command: process.execPath,
      args: [
        join(repositoryRoot(), 'dist', 'cli', 'main.js'),
        ...['console', '--port', String(port), '--control', folder.controlSocket, '--state', folder.of('console')],
      ],
      cwd: process.cwd(),
      env: {
        ...env,
        WARREN_BROKER: `amqp://operator:${encodeURIComponent(passwords.operator ?? '')}@${LOOPBACK}:${plan.amqp}`,
        WARREN_RESULTS: storeAddress(settings),
        WARREN_MANAGEMENT: NODE_NUMBERS.map(
          (node) => `http://${LOOPBACK}:${ports.nodeManagement(plan, node)}/rabbitmq`,
        ).join(','),
        WARREN_METRICS: metricsAddresses(plan).join(','),
      },
    }),
    // Its page is available before the cluster is, and shows how the cluster starts.
    ready: async (signal) => {
      const response = await fetch(`http://${LOOPBACK}:${port}/healthz`, { signal })
      return response.ok ? undefined : `it answers ${response.status}`
    },
    // It starts together with three nodes, which use most of the machine.
    readyTimeoutMs: 60_000,
    // A drill that it runs must stop its own cluster.
    stopTimeoutMs: 70_000,
    repeatSigterm: false,
    supervised: true,
  }
}

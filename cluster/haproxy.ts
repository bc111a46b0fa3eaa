/** HAProxy: the one way in, for AMQP and for HTTP. Its configuration is shared with docker compose. */
import type { Binaries } from './binaries.js'
import { configFile } from './folder.js'
import { LOOPBACK, NODE_NUMBERS, ports } from './ports.js'
import type { ProcessDefinition } from './processDefinition.js'
import type { Settings } from './settings.js'

export function haproxy(settings: Settings, { haproxy: command }: Binaries): ProcessDefinition {
  const { folder, ports: plan } = settings
  const config = configFile('haproxy', 'haproxy.cfg')
  return {
    name: 'haproxy',
    kind: 'haproxy',
    ports: [plan.amqp, plan.edge],
    logFile: folder.log('haproxy'),
    pidFile: folder.pidFile('haproxy'),
    launch: () => ({ command, args: ['-db', '-f', config], env: haproxyEnv(settings), cwd: folder.path }),
    // That it answers is enough here: started alone, it must become ready also while nodes are down.
    ready: async (signal) => {
      await serverStates(settings, signal)
      return undefined
    },
    readyTimeoutMs: 15_000,
    stopTimeoutMs: 5_000,
    repeatSigterm: false,
    supervised: false,
  }
}

function haproxyEnv({ ports: plan, passwords }: Settings): NodeJS.ProcessEnv {
  const at = (port: number) => `${LOOPBACK}:${port}`
  const perNode = NODE_NUMBERS.flatMap((node) => [
    [`WARREN_NODE_${node}`, at(ports.nodeAmqp(plan, node))],
    [`WARREN_MANAGEMENT_${node}`, at(ports.nodeManagement(plan, node))],
  ])
  return {
    PATH: process.env.PATH,
    ...Object.fromEntries(perNode),
    WARREN_MANAGEMENT_PORT_BASE: String(ports.nodeManagement(plan, 0)),
    WARREN_MANAGEMENT_PORT_STEP: '1',
    WARREN_HEALTH_USER: `admin:${passwords.admin}`,
    WARREN_AMQP_BIND: at(plan.amqp),
    WARREN_EDGE_BIND: at(plan.edge),
    WARREN_CONSOLE: at(ports.console(plan)),
    WARREN_GRAFANA: at(ports.grafana(plan)),
    WARREN_PROMETHEUS: at(ports.prometheus(plan)),
    WARREN_PAGES: configFile('haproxy'),
    WARREN_ADMIN_PASSWORD: passwords.admin,
  }
}

/** What HAProxy holds of each server of the AMQP front: `UP`, `DOWN`, `DOWN 1/2` and so on, by node name. */
export async function serverStates(settings: Settings, signal: AbortSignal): Promise<Map<string, string>> {
  const { ports: plan, passwords } = settings
  const response = await fetch(`http://${LOOPBACK}:${plan.edge}/haproxy;csv`, {
    headers: { authorization: `Basic ${Buffer.from(`admin:${passwords.admin}`).toString('base64')}` },
    signal,
  })
  if (!response.ok) throw new Error(`HAProxy's statistics answered ${response.status}`)
  const [header = '', ...rows] = (await response.text()).split('\n')
  const status = header.split(',').indexOf('status')
  return new Map(
    rows
      .map((row) => row.split(','))
      .filter(([proxy, server]) => proxy === 'rabbitmq-amqp' && server !== 'BACKEND')
      .map((row) => [row[1] ?? '', row[status] ?? '']),
  )
}

/** The fact that HAProxy sends connections to all three nodes. */
export async function allServersUp(settings: Settings, signal: AbortSignal): Promise<string | undefined> {
  const states = await serverStates(settings, signal)
  const up = [...states.values()].filter((state) => state === 'UP').length
  if (up === NODE_NUMBERS.length) return undefined
  return `HAProxy sees ${[...states].map(([node, state]) => `${node} ${state}`).join(', ')}`
}

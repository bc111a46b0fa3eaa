/**
 * One RabbitMQ node: its generated configuration and how it is started.
 *
 * How the three become one cluster: at the first start node 1 forms it alone, and nodes 2 and 3, started at the same
 * time, find it by peer discovery and join as soon as it is up. From then on each knows its peers from its own data,
 * and peer discovery plays no part.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { demoDefinitions } from '../demo/topology.js'
import type { Binaries } from './binaries.js'
import { erlangEnv, erlangNode } from './erlang.js'
import { configFile } from './folder.js'
import type { Management } from './management.js'
import { LOOPBACK, ports } from './ports.js'
import type { ProcessDefinition } from './processDefinition.js'
import type { Settings } from './settings.js'

export const nodeName = (node: number): string => `rabbitmq-${node}`

export function rabbitmqNode(
  settings: Settings,
  binaries: Binaries,
  node: number,
  management: Management,
): ProcessDefinition {
  const { folder, ports: plan } = settings
  const name = nodeName(node)
  return {
    name,
    kind: 'rabbitmq',
    ports: [
      ports.nodeAmqp(plan, node),
      ports.nodeDistribution(plan, node),
      ports.nodeManagement(plan, node),
      ports.nodeMetrics(plan, node),
    ],
    logFile: folder.log(name),
    pidFile: folder.pidFile(name),
    launch: () => {
      writeFiles(settings, binaries, node)
      return {
        command: binaries.rabbitmqServer,
        args: [],
        env: nodeEnv(settings, binaries, node),
        cwd: folder.of(name),
      }
    },
    ready: (signal) => management.nodeReady(node, signal),
    // A node with old data waits for its peers, which somebody may be starting one by one.
    readyTimeoutMs: 120_000,
    stopTimeoutMs: 30_000,
    repeatSigterm: true,
    supervised: false,
    // Nodes that boot at the same time ask each other for feature flags, which one of them may not have read yet (3.10.8).
    passingFault: (log) => log.includes('incompatible_feature_flags,{badrpc'),
  }
}

/** Few threads and no busy waiting: three nodes, HAProxy, the store and the workers share a laptop. */
const ERLANG_ARGS = [
  '+S 2:2 +SDio 8 +A 8 +sbwt none +sbwtdcpu none +sbwtdio none',
  '-kernel inet_dist_use_interface {127,0,0,1}',
  // A frozen peer counts as gone after 7.5 to 12.5 s instead of 45 to 75; until then declares may hang.
  '-kernel net_ticktime 10',
].join(' ')

function nodeEnv(settings: Settings, { rabbitmqPlugins }: Binaries, node: number): NodeJS.ProcessEnv {
  const { folder, ports: plan } = settings
  const own = (...path: string[]) => folder.of(nodeName(node), ...path)
  return {
    ...erlangEnv(settings),
    // Makes the start script replace itself with the Erlang machine, so that the pid is the node's own.
    detached: '1',
    RABBITMQ_NODENAME: erlangNode(node),
    RABBITMQ_DIST_PORT: String(ports.nodeDistribution(plan, node)),
    RABBITMQ_CONFIG_FILE: own('rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: configFile('rabbitmq', 'advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: own('enabled_plugins'),
    ...(rabbitmqPlugins === undefined ? {} : { RABBITMQ_PLUGINS_DIR: own('plugins') }),
    RABBITMQ_MNESIA_BASE: own('data'),
    RABBITMQ_MNESIA_DIR: own('data', 'node'),
    RABBITMQ_PLUGINS_EXPAND_DIR: own('plugins-expand'),
    RABBITMQ_LOG_BASE: own('logs'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: own('rabbitmq.pid'),
    RABBITMQ_GENERATED_CONFIG_DIR: own('config'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: ERLANG_ARGS,
  }
}

const PLUGINS = ['rabbitmq_management', 'rabbitmq_prometheus']
/** Of all plugins called rabbitmq_…, the ones that those two and the server itself are made of. */
const PLUGIN_PARTS = [...PLUGINS, 'rabbitmq_management_agent', 'rabbitmq_web_dispatch', 'rabbitmq_prelaunch']

/**
 * A node reads every plugin that it could load at each start, several times: with only the needed ones in sight it
 * takes 5.6 s of CPU instead of 9.2 (3.10.8). Libraries stay, whatever they are called.
 */
function linkPlugins(from: string, to: string): void {
  // Anew each time: after an update of RabbitMQ the old links lead nowhere.
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from)) {
    const plugin = name.replace(/-[\d.].*$/, '')
    if (plugin.startsWith('rabbitmq_') && !PLUGIN_PARTS.includes(plugin)) continue
    symlinkSync(join(from, name), join(to, name))
  }
}

function writeFiles(settings: Settings, { rabbitmqVersion, rabbitmqPlugins }: Binaries, node: number): void {
  const own = (file: string) => settings.folder.of(nodeName(node), file)
  mkdirSync(settings.folder.of(nodeName(node)), { recursive: true, mode: 0o700 })
  const shared = readFileSync(configFile('rabbitmq', 'rabbitmq.conf'), 'utf8')
  const generated = nodeConfig(settings, rabbitmqVersion, node).join('\n')
  writeFileSync(own('rabbitmq.conf'), `${shared}\n# Added by the local cluster for ${nodeName(node)}.\n${generated}\n`)
  writeFileSync(own('enabled_plugins'), `[${PLUGINS.join(',')}].\n`)
  if (rabbitmqPlugins !== undefined) linkPlugins(rabbitmqPlugins, own('plugins'))
  // Only what needs no other node: a dead-letter queue that is declared while one node is up stays with one member.
  // Loaded at each start, so that a changed password takes effect.
  const { vhosts, users, permissions } = demoDefinitions(settings.env)
  writeFileSync(own('users.json'), JSON.stringify({ vhosts, users, permissions }, undefined, 2), { mode: 0o600 })
}

function nodeConfig(settings: Settings, [major, minor]: Binaries['rabbitmqVersion'], node: number): string[] {
  const { folder, ports: plan } = settings
  return [
    `listeners.tcp.local = ${LOOPBACK}:${ports.nodeAmqp(plan, node)}`,
    `management.tcp.ip = ${LOOPBACK}`,
    `management.tcp.port = ${ports.nodeManagement(plan, node)}`,
    `prometheus.tcp.ip = ${LOOPBACK}`,
    `prometheus.tcp.port = ${ports.nodeMetrics(plan, node)}`,
    `load_definitions = ${folder.of(nodeName(node), 'users.json')}`,
    'cluster_name = warren',
    ...(node === 1
      ? []
      : [
          'cluster_formation.peer_discovery_backend = classic_config',
          `cluster_formation.classic_config.nodes.1 = ${erlangNode(1)}`,
          `cluster_formation.classic_config.nodes.2 = ${erlangNode(node)}`,
          // Node 1 is starting at this moment; a node that gives up on it would form a cluster of its own.
          'cluster_formation.discovery_retry_limit = 240',
          'cluster_formation.discovery_retry_interval = 250',
        ]),
    // A node that was frozen past net_ticktime meets its peers again at once when it is thawed. pause_minority acts on
    // nodes that stay away, and leaves such a one apart for good (seen on 3.10.8); autoheal restarts it. From 4.3 on
    // there is no Mnesia to be healed.
    ...(major < 4 || (major === 4 && minor < 3) ? ['cluster_partition_handling = autoheal'] : []),
    ...(major < 4 ? ['queue_master_locator = min-masters'] : []),
  ]
}

/** RabbitMQ's management API, as far as the cluster needs it: who is a member, what is declared, is all well. */
import { demoDefinitions } from '../demo/topology.js'
import { erlangNode } from './erlang.js'
import { ClusterError } from './errors.js'
import { LOOPBACK, NODE_NUMBERS, ports } from './ports.js'
import type { Settings } from './settings.js'

export interface Membership {
  /** The nodes that this node sees running, as `rabbitmq-1`, itself included. */
  readonly running: readonly string[]
  /** How many nodes it knows as members of the cluster. */
  readonly known: number
}

export class Management {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** One node's own management address, without the path's closing slash. */
  address(node: number): string {
    return `http://${LOOPBACK}:${ports.nodeManagement(this.#settings.ports, node)}/rabbitmq`
  }

  async request(node: number, path: string, init: RequestInit = {}): Promise<unknown> {
    const { passwords } = this.#settings
    const response = await fetch(`${this.address(node)}/api${path}`, {
      ...init,
      headers: {
        authorization: `Basic ${Buffer.from(`admin:${passwords.admin}`).toString('base64')}`,
        'content-type': 'application/json',
      },
    })
    const body = await response.text()
    if (!response.ok) {
      throw new ClusterError(
        'CONTROL_FAILED',
        `rabbitmq-${node} answered ${response.status} to ${init.method ?? 'GET'} ${path}: ${body.slice(0, 300)}`,
      )
    }
    return body === '' ? undefined : JSON.parse(body)
  }

  async membership(node: number, signal: AbortSignal): Promise<Membership> {
    const nodes = (await this.request(node, '/nodes?columns=name,running', { signal })) as {
      name: string
      running: boolean
    }[]
    return {
      running: nodes.filter(({ running }) => running).map(({ name }) => name.replace(/@.*$/, '')),
      known: nodes.length,
    }
  }

  /** The fact that a node runs and takes AMQP connections. */
  async nodeReady(node: number, signal: AbortSignal): Promise<string | undefined> {
    // Alone this tells that listeners are up: they are opened last.
    const port = ports.nodeAmqp(this.#settings.ports, node)
    await this.request(node, `/health/checks/port-listener/${port}`, { signal })
    return undefined
  }

  /** The fact that each node sees all three running, and that no memory or disk alarm blocks publishers. */
  async formed(signal: AbortSignal): Promise<string | undefined> {
    const seen = await Promise.all(NODE_NUMBERS.map((node) => this.membership(node, signal)))
    const short = seen.findIndex(({ running }) => running.length < NODE_NUMBERS.length)
    if (short >= 0) return `rabbitmq-${short + 1} sees ${seen[short]?.running.join(', ')} only`
    await this.request(1, '/health/checks/alarms', { signal })
    return undefined
  }

  /** Asks for a virtual host that is down on one node to be started there. */
  async startVirtualHost(vhost: string, node: string, signal: AbortSignal): Promise<void> {
    const path = `/vhosts/${encodeURIComponent(vhost)}/start/${encodeURIComponent(`${node}@localhost`)}`
    await this.request(Number(node.slice(-1)), path, { method: 'POST', signal })
  }

  /** Loads the operator's part of the topology: dead letters, policies and users. The same again changes nothing. */
  async loadDefinitions(signal: AbortSignal): Promise<void> {
    const body = JSON.stringify(demoDefinitions(this.#settings.env))
    await this.request(1, '/definitions', { method: 'POST', body, signal })
  }

  /** The fact that each predefined quorum queue has a member on each node. Returns the queues that fall short. */
  async thinQueues(signal: AbortSignal): Promise<string[]> {
    const { queues } = demoDefinitions(this.#settings.env) as { queues: { name: string; vhost: string }[] }
    const there = (await this.request(1, '/queues?columns=name,vhost,members', { signal })) as {
      name: string
      vhost: string
      members?: string[]
    }[]
    const membersOf = new Map(there.map(({ name, vhost, members }) => [JSON.stringify([vhost, name]), members]))
    return queues
      .filter(({ name, vhost }) => {
        const members = membersOf.get(JSON.stringify([vhost, name])) ?? []
        return !NODE_NUMBERS.every((node) => members.includes(erlangNode(node)))
      })
      .map(({ name }) => name)
  }
}

/** The servers' dashboard: RabbitMQ's nodes, HAProxy in front of them, and the result store. Pure. */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import { ALARMS, rate } from './expressions.js'
import { DASHBOARDS, dashboard, series, stat } from './panels.js'

const of = (metric: string): Record<string, string> => ({ '{{instance}}': metric })
const dead = (reason: string): string => rate(`rabbitmq_global_messages_dead_lettered_${reason}_total`)

export function rabbitmqDashboard(): Dashboard {
  return dashboard({
    uid: DASHBOARDS.rabbitmq,
    title: 'RabbitMQ, HAProxy and the store',
    about: 'The servers that Warren runs on.',
    rows: {
      'Is all well?': [
        stat({
          title: 'Nodes',
          about: 'That answer.',
          expr: 'sum(up{job="rabbitmq"})',
          bad: 3,
          under: true,
          width: 6,
        }),
        stat({
          title: 'Nodes behind HAProxy',
          about: 'That HAProxy sends connections to: they answer AMQP, and their own health check is good.',
          expr: 'max(haproxy_backend_active_servers{proxy="rabbitmq-amqp"})',
          bad: 3,
          under: true,
          width: 6,
        }),
        stat({
          title: 'Alarms',
          about: 'Memory, disk or files. One is enough to block publishers on all nodes.',
          expr: `sum(${ALARMS})`,
          bad: 1,
          width: 6,
        }),
        stat({
          title: 'Store',
          about: '1 when it answers.',
          expr: 'min(redis_up)',
          bad: 1,
          under: true,
          width: 6,
        }),
      ],
      Messages: [
        series({
          title: 'From producers',
          about: 'Taken with confirms, confirmed, and sent to no queue. The last should be 0.',
          unit: 'ops',
          width: 12,
          queries: {
            received: rate('rabbitmq_global_messages_received_confirm_total'),
            confirmed: rate('rabbitmq_global_messages_confirmed_total'),
            unroutable: rate('rabbitmq_global_messages_unroutable_returned_total'),
          },
        }),
        series({
          title: 'To consumers',
          about:
            'Delivered, delivered once more, acknowledged. Many redelivered: workers die or lose their connections.',
          unit: 'ops',
          width: 12,
          queries: {
            delivered: rate('rabbitmq_global_messages_delivered_total'),
            redelivered: rate('rabbitmq_global_messages_redelivered_total'),
            acknowledged: rate('rabbitmq_global_messages_acknowledged_total'),
          },
        }),
        series({
          title: 'Dead-lettered by the broker',
          about:
            'Expired in their queue, over the delivery limit, or rejected. What workers dead-letter is on the Warren dashboards.',
          unit: 'ops',
          width: 12,
          queries: { expired: dead('expired'), 'delivery limit': dead('delivery_limit'), rejected: dead('rejected') },
        }),
        series({
          title: 'Connections and channels',
          about: 'A sawtooth is a client that opens a connection for each task.',
          width: 12,
          queries: { connections: 'sum(rabbitmq_connections)', channels: 'sum(rabbitmq_channels)' },
        }),
      ],
      Nodes: [
        series({
          title: 'Memory',
          about: 'Used by each node, and where it blocks publishers.',
          unit: 'bytes',
          width: 12,
          queries: {
            '{{instance}}': 'rabbitmq_process_resident_memory_bytes{job="rabbitmq"}',
            'limit of {{instance}}': 'rabbitmq_resident_memory_limit_bytes{job="rabbitmq"}',
          },
        }),
        series({
          title: 'Free disk',
          about: 'And the limit below which publishers are blocked.',
          unit: 'bytes',
          width: 12,
          queries: {
            '{{instance}}': 'rabbitmq_disk_space_available_bytes{job="rabbitmq"}',
            'limit of {{instance}}': 'rabbitmq_disk_space_available_limit_bytes{job="rabbitmq"}',
          },
        }),
        series({
          title: 'Peers seen',
          about: 'How many other nodes each one is connected to. Two each, in a cluster of three.',
          width: 12,
          queries: of('sum by (instance) (erlang_vm_dist_node_state{peer=~"rabbit(mq-[0-9]+)?@.*"} == bool 3)'),
        }),
        series({
          title: 'Quorum queues: time to commit',
          about: 'From the write on the leader to the majority. It rises with slow disks.',
          unit: 's',
          width: 12,
          queries: of(
            'max by (instance) (rabbitmq_raft_entry_commit_latency_seconds or rabbitmq_raft_commit_latency_seconds)',
          ),
        }),
        series({
          title: 'Files and sockets',
          about: 'Open, as a part of what the node may open.',
          unit: 'percentunit',
          width: 12,
          queries: of('rabbitmq_process_open_fds{job="rabbitmq"} / rabbitmq_process_max_fds{job="rabbitmq"}'),
        }),
        series({
          title: 'Run queue',
          about: 'Erlang processes that wait for a scheduler. Long above 0: the machine is too small.',
          width: 12,
          queries: of('max by (instance) (rabbitmq_erlang_scheduler_run_queue)'),
        }),
      ],
      HAProxy: [
        series({
          title: 'AMQP connections by node',
          about: 'As HAProxy spreads them.',
          width: 12,
          queries: { '{{server}}': 'max by (server) (haproxy_server_current_sessions{proxy="rabbitmq-amqp"})' },
        }),
        series({
          title: 'Health checks that failed',
          about: 'By node.',
          unit: 'ops',
          width: 12,
          queries: { '{{server}}': rate('haproxy_server_check_failures_total', ['server'], 'proxy="rabbitmq-amqp"') },
        }),
      ],
      'Result store': [
        series({
          title: 'Commands',
          about: 'A result is one round trip; a wait is one subscription for all that a producer sent.',
          unit: 'ops',
          width: 8,
          queries: { commands: rate('redis_commands_processed_total') },
        }),
        series({
          title: 'Memory of the store',
          about: 'Results stay for a day.',
          unit: 'bytes',
          width: 8,
          queries: { used: 'max(redis_memory_used_bytes)' },
        }),
        series({
          title: 'Keys and clients',
          about: 'Results that are kept, and who is connected.',
          width: 8,
          queries: { keys: 'sum(redis_db_keys)', clients: 'max(redis_connected_clients)' },
        }),
      ],
    },
  })
}

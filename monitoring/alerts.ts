/**
 * Alert rules for Prometheus: of Warren's own work, and those that RabbitMQ's production checklist and its operator ask for. Pure:
 * `config/prometheus/alerts.yml` and the PrometheusRule of Kubernetes are made from them.
 */
import {
  ALARMS,
  CONNECTION_CHURN,
  DEAD_LETTER_QUEUES,
  DELAY_LEVELS,
  DISK_IN_A_DAY,
  ofQueues,
  STORE_FILLED,
  stillWaiting,
  TASK_QUEUES,
  UNROUTABLE,
  UNROUTABLE_QUEUE,
  unsettled,
  VISIBLE_PART,
} from './expressions.js'

/** What is due in a delay level and has not moved on. */
const OVERDUE = `(${ofQueues('messages', DELAY_LEVELS)} - ${ofQueues('messages_ready', DELAY_LEVELS)})`

export interface Alert {
  readonly name: string
  /** What is watched. It has a value also while all is well; a test holds that. */
  readonly measure: string
  /** When the value is bad. */
  readonly condition: string
  /** How long it must be bad. */
  readonly for: string
  readonly severity: 'warning' | 'critical'
  /** One line. Labels as `{{ $labels.queue }}`. */
  readonly summary: string
  /** What to look at first. */
  readonly action: string
}

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** The demo's user queue gives up a message after 60 s: half of that is late. */
const OLD = '30s'
const GROWING = '1m'

export const alerts: readonly Alert[] = [
  {
    name: 'DeadLettersGrowing',
    measure: `${ofQueues('messages', DEAD_LETTER_QUEUES)} - ${ofQueues('messages', DEAD_LETTER_QUEUES, ` offset ${GROWING}`)}`,
    condition: '> 0',
    for: '0s',
    severity: 'warning',
    summary: '{{ $labels.queue }} has {{ $value }} more dead letters than a minute ago',
    action: 'See why with warren dlq list: expired means too few workers, failed means the handler.',
  },
  {
    name: 'OldestTaskTooOld',
    measure: stillWaiting(OLD),
    condition: '> 0',
    for: '10s',
    severity: 'warning',
    summary: `The oldest task in {{ $labels.queue }} has waited longer than ${OLD}`,
    action: 'Add workers, or send less. When nothing is done at all, see whether workers consume the queue.',
  },
  {
    name: 'QueueWithoutConsumers',
    measure: ofQueues('consumers', TASK_QUEUES),
    condition: '== 0',
    for: '30s',
    severity: 'critical',
    summary: 'No worker consumes {{ $labels.queue }}',
    action: 'Start workers. Where they run, their logs and /healthz say why they do not consume it.',
  },
  {
    name: 'NodeDown',
    measure: 'up{job="rabbitmq"}',
    condition: '== 0',
    for: '10s',
    severity: 'critical',
    summary: '{{ $labels.instance }} does not answer',
    action: 'Start it again with its data. Quorum queues go on; a classic queue on that node waits for it.',
  },
  {
    name: 'NoQuorum',
    measure: VISIBLE_PART,
    condition: '<= 0.5',
    for: '10s',
    severity: 'critical',
    summary: 'A node sees no majority of the cluster',
    action:
      'Bring nodes or the network back. Until then quorum queues take and give nothing; nothing confirmed is lost.',
  },
  {
    name: 'Alarm',
    measure: `max by (instance) (${ALARMS})`,
    condition: '> 0',
    for: '0s',
    severity: 'critical',
    summary: '{{ $labels.instance }} has a memory, disk or file alarm: publishers are blocked on all nodes',
    action: 'See the RabbitMQ dashboard for which; let workers empty the queues, or give the node more room.',
  },
  {
    name: 'WorkerNotConsuming',
    measure: 'min by (instance, queue) (warren_consumer_up)',
    condition: '== 0',
    for: '15s',
    severity: 'critical',
    summary: '{{ $labels.instance }} is there and does not consume {{ $labels.queue }}',
    action: 'Its /healthz says what it waits for. A classic queue whose node is down is taken up again by itself.',
  },
  {
    name: 'TasksUntouched',
    // Messages wait and workers hold none of that queue: connected, perhaps consuming on paper, not working.
    measure: `${ofQueues('messages_ready')} * on (queue) (${ofQueues('messages_unacked')} == bool 0)`,
    condition: '> 0',
    for: '30s',
    severity: 'critical',
    summary: '{{ $value }} tasks wait in {{ $labels.queue }} and no worker holds any',
    action: 'Compare the consumers on the management page with the workers; restart workers that do not consume.',
  },
  {
    name: 'DelayLevelStuck',
    // What is not due yet is ready. What is due and was not taken over by the next level is not, and is counted: a queue
    // hands on 32 at a time, and tries one that nobody takes again every 3 minutes. So a level stands still when 32 or more
    // are due for a while, and where fewer are due and no others wait, these do.
    measure: `${OVERDUE} * on (queue) clamp_max((${ofQueues('messages_ready', DELAY_LEVELS)} == bool 0) + (${OVERDUE} >= bool 32), 1)`,
    condition: '> 0',
    for: '60s',
    severity: 'critical',
    summary: '{{ $value }} messages in {{ $labels.queue }} are due and do not move on',
    action:
      'See that its exchanges and bindings are there: warren definitions --load. Then that the next queues have a majority of their members.',
  },
  {
    name: 'DelayedUnroutable',
    measure: ofQueues('messages', UNROUTABLE_QUEUE),
    condition: '> 0',
    for: '0s',
    severity: 'warning',
    summary: '{{ $value }} delayed messages were due and no queue took them',
    action:
      'Their task has no queue bound to warren.delay.due: start its service once, then warren dlq redrive --queue warren.delay.unroutable.',
  },
  {
    name: 'UnacknowledgedStuck',
    measure: unsettled('30m'),
    condition: '> 0',
    for: '5m',
    severity: 'warning',
    summary: 'Workers hold {{ $value }} tasks of {{ $labels.queue }} and have finished none for 30 minutes',
    action:
      'See what the attempts wait for: /healthz and the log of each worker. Tasks that take longer than that are meant to.',
  },
  {
    name: 'UnroutableMessages',
    measure: UNROUTABLE,
    condition: '> 0',
    for: '0s',
    severity: 'warning',
    summary: '{{ $value }} messages of the last 5 minutes went to no queue',
    action:
      'Of Warren, send() rejected with UNROUTABLE: start the service of the task once. Others may drop theirs in silence.',
  },
  {
    name: 'ConnectionChurn',
    measure: CONNECTION_CHURN,
    condition: '> 0.1',
    for: '10m',
    severity: 'warning',
    summary: 'Of each 10 connections more than one is opened anew each second',
    action:
      'Find the client that connects for each message, on the management page: a process needs one Warren for its life.',
  },
  {
    name: 'FileDescriptorsNearLimit',
    measure: 'max by (instance) (rabbitmq_process_open_fds{job="rabbitmq"} / rabbitmq_process_max_fds{job="rabbitmq"})',
    condition: '> 0.8',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} has opened {{ $value | humanizePercentage }} of the files and sockets that it may',
    action: 'Find what holds them (connections, queues), or raise the limit: ulimit -n of the node, 50,000 or more.',
  },
  {
    name: 'DiskAlarmPredicted',
    measure: DISK_IN_A_DAY,
    // Not for a node that is younger than what the prediction looks at.
    condition:
      '< 0 and on (instance) max by (instance) (count_over_time(rabbitmq_disk_space_available_bytes{job="rabbitmq"}[30m] offset 5h)) > 0',
    for: '60m',
    severity: 'warning',
    summary: '{{ $labels.instance }} will be short of disk space within a day, as things go',
    action: 'Let workers empty the queues, or enlarge the volume. At the limit publishers are blocked on all nodes.',
  },
  {
    name: 'StoreMemoryHigh',
    measure: STORE_FILLED,
    condition: '> 0.8',
    for: '5m',
    severity: 'warning',
    summary: 'The result store has used {{ $value | humanizePercentage }} of its memory',
    action:
      'Raise maxmemory, or keep results for less long (resultTtlMs). A full store refuses results, and workers wait.',
  },
  {
    name: 'StoreEvicting',
    measure: 'max(increase(redis_evicted_keys_total[5m]))',
    condition: '> 0',
    for: '0s',
    severity: 'critical',
    summary: 'The result store has dropped {{ $value }} keys for want of memory',
    action: 'CONFIG SET maxmemory-policy noeviction, and more memory: results that somebody waits for are lost.',
  },
  {
    name: 'StoreNotWriting',
    measure: 'min(redis_aof_last_write_ok)',
    condition: '== 0',
    for: '1m',
    severity: 'critical',
    summary: 'The result store cannot write to its disk',
    action: 'Free its disk; its log says what failed. It refuses results until then.',
  },
  {
    name: 'StoreDown',
    measure: 'redis_up',
    condition: '== 0',
    for: '10s',
    severity: 'critical',
    summary: 'The result store does not answer',
    action: 'Start it again with its data. Workers hold what they have done and store it then.',
  },
]

/** Where each alert's page is: a heading with its name. In the repository, unless it is published elsewhere. */
const RUNBOOKS = 'docs/guide/runbooks.md'

/** Prometheus' rule file, as an object to be written as YAML. */
export function alertRules(runbooks = RUNBOOKS): { groups: { name: string; rules: AlertRule[] }[] } {
  return {
    groups: [
      {
        name: 'warren',
        rules: alerts.map((alert) => ({
          alert: alert.name,
          expr: `${alert.measure} ${alert.condition}`,
          for: alert.for,
          labels: { severity: alert.severity },
          annotations: {
            summary: alert.summary,
            action: alert.action,
            runbook_url: `${runbooks}#${alert.name.toLowerCase()}`,
          },
        })),
      },
    ],
  }
}

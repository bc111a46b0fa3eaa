/**
 * Alert rules for Prometheus: for Warren's own work, and those that RabbitMQ's production checklist and its operator recommend.
 * Pure: `config/prometheus/alerts.yml` and the PrometheusRule for Kubernetes are generated from them.
 */
import {
  ALARMS,
  CONNECTION_CHURN,
  DEAD_LETTER_QUEUES,
  DELAY_LEVELS,
  DISK_IN_A_DAY,
  flowsEnded,
  ofQueues,
  quantileOrNone,
  STORE_FILLED,
  stillWaiting,
  TASK_QUEUES,
  ticked,
  UNROUTABLE,
  UNROUTABLE_QUEUE,
  unsettled,
  VISIBLE_PART,
} from './expressions.js'

/** Messages that are due in a delay level and have not moved. */
const OVERDUE = `(${ofQueues('messages', DELAY_LEVELS)} - ${ofQueues('messages_ready', DELAY_LEVELS)})`

export interface Alert {
  readonly name: string
  /** The watched expression. It also has a value in normal operation; a test checks that. */
  readonly measure: string
  /** The condition of the alert. */
  readonly condition: string
  /** How long the condition must hold. */
  readonly for: string
  readonly severity: 'warning' | 'critical'
  /** One line, with labels such as `{{ $labels.queue }}`. */
  readonly summary: string
  /** What to check first. */
  readonly action: string
}

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** Messages in the demo's user queue expire after 60 s; half of that counts as late. */
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
    action:
      'Find the reason with warren dlq list: expired means too few workers, failed means an error of the handler.',
  },
  {
    name: 'OldestTaskTooOld',
    measure: stillWaiting(OLD),
    condition: '> 0',
    for: '10s',
    severity: 'warning',
    summary: `The oldest task in {{ $labels.queue }} has waited longer than ${OLD}`,
    action: 'Add workers, or send less. If no task finishes at all, check whether workers consume the queue.',
  },
  {
    name: 'QueueWithoutConsumers',
    measure: ofQueues('consumers', TASK_QUEUES),
    condition: '== 0',
    for: '30s',
    severity: 'critical',
    summary: 'No worker consumes {{ $labels.queue }}',
    action: 'Start workers. If they run, their logs and /healthz show why they do not consume it.',
  },
  {
    name: 'NodeDown',
    measure: 'up{job="rabbitmq"}',
    condition: '== 0',
    for: '10s',
    severity: 'critical',
    summary: '{{ $labels.instance }} does not answer',
    action: 'Start it again with its data. Quorum queues continue; a classic queue on that node waits for it.',
  },
  {
    name: 'NoQuorum',
    measure: VISIBLE_PART,
    condition: '<= 0.5',
    for: '10s',
    severity: 'critical',
    summary: 'A node cannot reach a majority of the cluster',
    action:
      'Restore the nodes or the network. Until then quorum queues neither accept nor deliver messages; confirmed messages are kept.',
  },
  {
    name: 'Alarm',
    measure: `max by (instance) (${ALARMS})`,
    condition: '> 0',
    for: '0s',
    severity: 'critical',
    summary: '{{ $labels.instance }} has a memory, disk or file alarm: publishers are blocked on all nodes',
    action:
      "The RabbitMQ dashboard shows which one; let workers empty the queues, or increase the node's memory or disk.",
  },
  {
    name: 'WorkerNotConsuming',
    measure: 'min by (instance, queue) (warren_consumer_up)',
    condition: '== 0',
    for: '15s',
    severity: 'critical',
    summary: '{{ $labels.instance }} runs but does not consume {{ $labels.queue }}',
    action: 'Its /healthz shows what it waits for. A classic queue whose node is down is consumed again automatically.',
  },
  {
    name: 'TasksUntouched',
    // Messages wait and workers hold none of that queue: they are connected and may be listed as consumers, but do not work.
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
    // hands on 32 at a time, and tries one that nobody takes again later. So a level stands still when 32 or more
    // are due for a while, and where fewer are due and no others wait, these do.
    measure: `${OVERDUE} * on (queue) clamp_max((${ofQueues('messages_ready', DELAY_LEVELS)} == bool 0) + (${OVERDUE} >= bool 32), 1)`,
    condition: '> 0',
    for: '60s',
    severity: 'critical',
    summary: '{{ $value }} messages in {{ $labels.queue }} are due and do not move',
    action:
      'Check that its exchanges and bindings exist (warren definitions --load), and that the next queues have a majority of their members.',
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
      'Check what the attempts wait for: /healthz and the log of each worker. Ignore this if tasks normally take longer.',
  },
  {
    name: 'UnroutableMessages',
    measure: UNROUTABLE,
    condition: '> 0',
    for: '0s',
    severity: 'warning',
    summary: '{{ $value }} messages of the last 5 minutes were not routed to any queue',
    action:
      "Warren's send() rejected with UNROUTABLE: start the service of the task once. Other publishers may lose such messages silently.",
  },
  {
    name: 'ConfirmsSlow',
    measure: quantileOrNone(0.95, 'warren_confirm_duration_seconds', '5m'),
    condition: '> 1',
    for: '5m',
    severity: 'warning',
    summary: 'One of 20 messages waits longer than {{ $value }} s for its confirm',
    action: 'Look at the disks and the processors of the nodes, and whether a quorum queue has lost a member.',
  },
  {
    name: 'PublisherAway',
    measure: 'min by (instance, name) (warren_connected)',
    condition: '== 0',
    for: '30s',
    severity: 'critical',
    summary: '{{ $labels.name }} on {{ $labels.instance }} has no connection to publish on',
    action:
      'Its log says why: an address, a password, a node that is away. Sends wait, and are UNCONFIRMED after their time.',
  },
  {
    name: 'TicksFailing',
    measure: ticked('action="failed"', '5m'),
    condition: '> 0',
    for: '0s',
    severity: 'critical',
    summary: '{{ $value }} ticks of schedules of the last 5 minutes could not be sent',
    action: 'warren schedule list names the schedule and its problem: a task without a queue, or a missing right.',
  },
  {
    name: 'FlowsPastDeadline',
    measure: flowsEnded('deadline', '15m'),
    condition: '> 0',
    for: '0s',
    severity: 'warning',
    summary: '{{ $value }} flows of the last 15 minutes ended at their deadline, without a result',
    action: 'warren flow ID names the members that had not ended. Look for workers that run those tasks.',
  },
  {
    name: 'QueuePaused',
    measure: 'max by (queue) (warren_queue_paused)',
    condition: '> 0',
    for: '1h',
    severity: 'warning',
    summary: '{{ $labels.queue }} has been paused for an hour',
    action: 'warren queues says since when and why. When that is over: warren resume {{ $labels.queue }}.',
  },
  {
    name: 'ConnectionChurn',
    measure: CONNECTION_CHURN,
    condition: '> 0.1',
    for: '10m',
    severity: 'warning',
    summary: 'More than 10 % of the connections are newly opened each second',
    action:
      'On the management page, find the client that connects for each message: a process needs a single connect() for its lifetime.',
  },
  {
    name: 'FileDescriptorsNearLimit',
    measure: 'max by (instance) (rabbitmq_process_open_fds{job="rabbitmq"} / rabbitmq_process_max_fds{job="rabbitmq"})',
    condition: '> 0.8',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its limit for files and sockets',
    action: 'Find out what uses them (connections, queues), or raise the limit: ulimit -n of the node, 50,000 or more.',
  },
  {
    name: 'DiskAlarmPredicted',
    measure: DISK_IN_A_DAY,
    // Not for a node younger than the period of the prediction.
    condition:
      '< 0 and on (instance) max by (instance) (count_over_time(rabbitmq_disk_space_available_bytes{job="rabbitmq"}[30m] offset 5h)) > 0',
    for: '60m',
    severity: 'warning',
    summary: '{{ $labels.instance }} will be short of disk space within a day at the current rate',
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
      'Raise maxmemory, or keep results for a shorter time (resultTtlMs). A full store refuses results, and workers wait.',
  },
  {
    name: 'StoreEvicting',
    measure: 'max(increase(redis_evicted_keys_total[5m]))',
    condition: '> 0',
    for: '0s',
    severity: 'critical',
    summary: 'The result store has dropped {{ $value }} keys because its memory is full',
    action: 'CONFIG SET maxmemory-policy noeviction, and add memory: results that callers wait for are lost.',
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
    action: 'Start it again with its data. Workers hold their results and store them when it is back.',
  },
]

/** The page with a section for each alert, named after it. In the repository, unless it is published elsewhere. */
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

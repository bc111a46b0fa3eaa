/** Alert rules for Prometheus. Pure: `config/prometheus/alerts.yml` is made from them. */
import {
  ALARMS,
  DEAD_LETTER_QUEUES,
  DELAY_LEVELS,
  ofQueues,
  stillWaiting,
  TASK_QUEUES,
  UNROUTABLE_QUEUE,
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
    name: 'StoreDown',
    measure: 'redis_up',
    condition: '== 0',
    for: '10s',
    severity: 'critical',
    summary: 'The result store does not answer',
    action: 'Start it again with its data. Workers hold what they have done and store it then.',
  },
]

/** Prometheus' rule file, as an object to be written as YAML. */
export function alertRules(): Record<string, unknown> {
  return {
    groups: [
      {
        name: 'warren',
        rules: alerts.map((alert) => ({
          alert: alert.name,
          expr: `${alert.measure} ${alert.condition}`,
          for: alert.for,
          labels: { severity: alert.severity },
          annotations: { summary: alert.summary, action: alert.action },
        })),
      },
    ],
  }
}

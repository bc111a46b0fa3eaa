/**
 * Warren's dashboards, from the whole to the part: the system, one of its queues, one of its tasks. Clicking a queue or a
 * task in one opens the next. Pure.
 */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import {
  DEAD_LETTER_QUEUES,
  DONE,
  ofQueues,
  quantile,
  quantileOrNone,
  rate,
  stillWaiting,
  THIS_QUEUE,
  THIS_TASK,
} from './expressions.js'
import { DASHBOARDS, dashboard, series, stat, table } from './panels.js'

const ATTEMPT = 'warren_attempt_duration_seconds'
const SETTLE = 'warren_settle_duration_seconds'
const WAITED = 'warren_queue_time_seconds'
const CONFIRM = 'warren_confirm_duration_seconds'

/** The three lines of a duration: half of all, nearly all, all but one in a hundred. */
const quantiles = (histogram: string, filter = '') => ({
  'half within': quantile(0.5, histogram, [], filter),
  '95 % within': quantile(0.95, histogram, [], filter),
  '99 % within': quantile(0.99, histogram, [], filter),
})

export function systemDashboard(): Dashboard {
  return dashboard({
    uid: DASHBOARDS.system,
    title: 'Warren',
    about: 'The whole system: health, throughput, backlog. Click a queue or a task for details.',
    rows: {
      'Is all well?': [
        stat({
          title: 'Alerts',
          about: 'Firing alerts. Prometheus shows their names and remedies.',
          expr: 'count(ALERTS{alertstate="firing"}) or vector(0)',
          bad: 1,
          width: 4,
        }),
        stat({
          title: 'Nodes',
          about: 'RabbitMQ nodes that answer.',
          expr: 'sum(up{job="rabbitmq"})',
          bad: 3,
          under: true,
          width: 4,
        }),
        stat({
          title: 'Workers ready',
          about: 'Workers that consume all their queues and have the broker and the store.',
          expr: 'sum(warren_worker_ready)',
          bad: 1,
          under: true,
          width: 4,
        }),
        stat({
          title: 'Tasks waiting',
          about: 'Ready in their queues; no worker has them yet.',
          expr: `sum(${ofQueues('messages_ready')})`,
          width: 4,
        }),
        stat({
          title: 'Tasks held',
          about: 'With workers: waiting there, running, settling.',
          expr: 'sum(warren_worker_held)',
          width: 4,
        }),
        stat({
          title: 'Dead letters',
          about: 'In all dead-letter queues. warren dlq list shows the reasons.',
          expr: `sum(${ofQueues('messages', DEAD_LETTER_QUEUES)})`,
          bad: 1,
          width: 4,
        }),
      ],
      Flow: [
        series({
          title: 'Tasks in and out',
          about:
            'Messages that the broker accepted from producers, and that workers acknowledged. If they differ for long, add workers.',
          unit: 'ops',
          width: 12,
          queries: {
            'sent to the broker': rate('rabbitmq_global_messages_received_confirm_total'),
            done: rate('warren_settled_total', [], DONE),
          },
        }),
        series({
          title: 'How attempts end',
          about: 'Attempts by outcome, from all workers.',
          unit: 'ops',
          width: 12,
          stacked: true,
          queries: { '{{outcome}}': rate('warren_attempts_total', ['outcome']) },
        }),
        series({
          title: 'How long handlers run',
          about: 'Of all tasks together. Click through to one task for its own.',
          unit: 's',
          width: 12,
          queries: quantiles(ATTEMPT),
        }),
        series({
          title: 'How long tasks wait',
          about: 'From being sent, or due, to the beginning of the attempt. The clocks of senders count.',
          unit: 's',
          width: 12,
          queries: quantiles(WAITED),
        }),
        series({
          title: 'Workers at work',
          about: 'Handlers that run now, by worker, and how many workers are ready.',
          width: 24,
          queries: { 'running in all': 'sum(warren_worker_running)', 'workers ready': 'sum(warren_worker_ready)' },
        }),
      ],
      Sending: [
        series({
          title: 'How long confirms take',
          about: "From a message's first write to the broker's confirm, in processes that have producerMetrics().",
          unit: 's',
          width: 8,
          queries: {
            'half within': quantileOrNone(0.5, CONFIRM),
            '95 % within': quantileOrNone(0.95, CONFIRM),
            '99 % within': quantileOrNone(0.99, CONFIRM),
          },
        }),
        series({
          title: 'Unconfirmed',
          about: 'Messages that wait for their confirm, by process. At 1,000 the window is full, and sends wait.',
          width: 8,
          queries: { '{{name}}': 'sum by (name) (warren_unconfirmed)' },
        }),
        series({
          title: 'Trouble while sending',
          about: 'Processes that the broker blocks or that have no connection, and messages that were published again.',
          width: 8,
          queries: {
            blocked: 'sum(warren_blocked)',
            'not connected': 'sum(warren_connected == bool 0)',
            'published again a second': rate('warren_republished_total'),
          },
        }),
      ],
      'Schedules, limits, flows, pauses': [
        series({
          title: 'Ticks of schedules',
          about:
            'By what became of them. skipped: paused, overlapping or missed. failed: the task could not be published.',
          unit: 'ops',
          width: 6,
          queries: { '{{action}}': rate('warren_ticks_total', ['action']) },
        }),
        series({
          title: 'Times that limits held tasks back',
          about: 'By what became of the task: held by the worker, delayed in the broker, dropped.',
          unit: 'ops',
          width: 6,
          stacked: true,
          queries: { '{{action}}': rate('warren_limited_total', ['action']) },
        }),
        series({
          title: 'Flows that ended',
          about: 'By how they ended. warren flow ID says why one of them failed.',
          unit: 'ops',
          width: 6,
          queries: { '{{state}}': rate('warren_flows_ended_total', ['state']) },
        }),
        series({
          title: 'Paused queues',
          about: 'Queues that are paused. warren queues says since when and why.',
          width: 6,
          queries: { paused: 'sum(max by (queue) (warren_queue_paused))' },
        }),
      ],
      Queues: [
        table({
          title: 'Queues',
          about: 'Click a queue for details.',
          width: 12,
          by: 'queue',
          columns: {
            ready: ofQueues('messages_ready', ''),
            held: ofQueues('messages_unacked', ''),
            consumers: ofQueues('consumers', ''),
          },
        }),
        series({
          title: 'Waiting by queue',
          about: 'Ready messages. A line that keeps rising: more tasks are sent than the workers can process.',
          width: 12,
          queries: { '{{queue}}': ofQueues('messages_ready') },
          drill: { to: 'queue' },
        }),
        series({
          title: 'Dead letters by queue',
          about: 'A rise is worth a look: warren dlq list.',
          width: 12,
          queries: { '{{queue}}': ofQueues('messages', DEAD_LETTER_QUEUES) },
          drill: { to: 'queue' },
        }),
        series({
          title: 'Done by queue',
          about: 'Acknowledged by workers.',
          unit: 'ops',
          width: 12,
          queries: { '{{queue}}': rate('warren_settled_total', ['queue'], DONE) },
          drill: { to: 'queue' },
        }),
      ],
      Tasks: [
        table({
          title: 'Tasks',
          about: 'Click a task for details.',
          width: 12,
          by: 'task',
          columns: {
            attempts: rate('warren_attempts_total', ['task']),
            '95 % within': quantile(0.95, ATTEMPT, ['task']),
            'settled within': quantile(0.95, SETTLE, ['task']),
          },
          units: { attempts: 'ops', '95 % within': 's', 'settled within': 's' },
        }),
        series({
          title: 'Attempts by task',
          about: 'Click a line for details.',
          unit: 'ops',
          width: 12,
          queries: { '{{task}}': rate('warren_attempts_total', ['task']) },
          drill: { to: 'task' },
        }),
      ],
    },
  })
}

export function queueDashboard(): Dashboard {
  return dashboard({
    uid: DASHBOARDS.queue,
    title: 'Warren: one queue',
    about: "A queue's backlog, its processing rate, and its workers.",
    variable: { name: 'queue', query: 'label_values(rabbitmq_detailed_queue_messages, queue)' },
    rows: {
      $queue: [
        stat({
          title: 'Ready',
          about: 'Wait in the queue.',
          expr: `max(rabbitmq_detailed_queue_messages_ready{${THIS_QUEUE}})`,
          width: 6,
        }),
        stat({
          title: 'Held',
          about: 'Delivered and not acknowledged.',
          expr: `max(rabbitmq_detailed_queue_messages_unacked{${THIS_QUEUE}})`,
          width: 6,
        }),
        stat({
          title: 'Consumers',
          about: 'As counted by the broker. 0 is only right for a dead-letter queue.',
          expr: `max(rabbitmq_detailed_queue_consumers{${THIS_QUEUE}})`,
          bad: 1,
          under: true,
          width: 6,
        }),
        stat({
          title: 'Waiting for more than 30 s',
          about:
            'A lower bound: messages that were ready 30 s ago, minus those finished since. Above 0, the oldest task is older than 30 s.',
          expr: `clamp_min(sum((${stillWaiting('30s')}) and on (queue) rabbitmq_detailed_queue_messages{${THIS_QUEUE}}), 0)`,
          bad: 1,
          width: 6,
        }),
        series({
          title: 'Messages',
          about: 'Ready and held.',
          width: 12,
          stacked: true,
          queries: {
            ready: `max(rabbitmq_detailed_queue_messages_ready{${THIS_QUEUE}})`,
            held: `max(rabbitmq_detailed_queue_messages_unacked{${THIS_QUEUE}})`,
          },
        }),
        series({
          title: 'Settled messages',
          about: 'Acknowledged, returned to the queue, or lost with their channel and redelivered.',
          unit: 'ops',
          width: 12,
          queries: { '{{settled}}': rate('warren_settled_total', ['settled'], THIS_QUEUE) },
        }),
        series({
          title: 'How attempts end',
          about: 'Attempts on messages of this queue.',
          unit: 'ops',
          width: 12,
          stacked: true,
          queries: { '{{outcome}}': rate('warren_attempts_total', ['outcome'], THIS_QUEUE) },
        }),
        series({
          title: 'Who consumes it',
          about: "Workers that report consuming it, and the broker's count. They should agree.",
          width: 12,
          queries: {
            'workers that consume it': `sum(warren_consumer_up{${THIS_QUEUE}})`,
            'consumers at the broker': `max(rabbitmq_detailed_queue_consumers{${THIS_QUEUE}})`,
          },
        }),
        table({
          title: 'Tasks of this queue',
          about: 'Click a task for details.',
          width: 12,
          by: 'task',
          columns: { attempts: rate('warren_attempts_total', ['task'], THIS_QUEUE) },
          units: { attempts: 'ops' },
        }),
        series({
          title: 'Dead letters by reason',
          about:
            'Messages that workers dead-lettered. The RabbitMQ dashboard shows those of the broker (expired, delivery limit).',
          width: 12,
          queries: { '{{reason}}': `sum by (reason) (increase(warren_dead_lettered_total{${THIS_QUEUE}}[$__range]))` },
        }),
      ],
    },
  })
}

export function taskDashboard(): Dashboard {
  return dashboard({
    uid: DASHBOARDS.task,
    title: 'Warren: one task',
    about: "A task's rate, duration, outcomes, and workers.",
    variable: { name: 'task', query: 'label_values(warren_attempts_total, task)' },
    rows: {
      $task: [
        stat({
          title: 'Attempts',
          about: 'In the time shown.',
          expr: `sum(increase(warren_attempts_total{${THIS_TASK}}[$__range]))`,
          width: 8,
        }),
        stat({
          title: 'Not successful',
          about: 'The share of attempts without success, in the time shown.',
          unit: 'percentunit',
          expr: `1 - sum(increase(warren_attempts_total{${THIS_TASK}, outcome="succeeded"}[$__range])) / sum(increase(warren_attempts_total{${THIS_TASK}}[$__range]))`,
          bad: 0.01,
          width: 8,
        }),
        stat({
          title: '95 % within',
          about: 'How long its handler runs.',
          unit: 's',
          expr: quantile(0.95, ATTEMPT, [], THIS_TASK),
          width: 8,
        }),
        series({
          title: 'How attempts end',
          about: 'By outcome.',
          unit: 'ops',
          width: 12,
          stacked: true,
          queries: { '{{outcome}}': rate('warren_attempts_total', ['outcome'], THIS_TASK) },
        }),
        series({
          title: 'How long it waits',
          about: 'From being sent, or due, to the beginning of the attempt.',
          unit: 's',
          width: 12,
          queries: quantiles(WAITED, THIS_TASK),
        }),
        series({
          title: 'How long its handler runs',
          about: 'From its start to its end.',
          unit: 's',
          width: 12,
          queries: quantiles(ATTEMPT, THIS_TASK),
        }),
        series({
          title: 'How long settling takes',
          about: 'From the end of the handler to the acknowledgement: storing, publishing, acknowledging.',
          unit: 's',
          width: 12,
          queries: quantiles(SETTLE, THIS_TASK),
        }),
        series({
          title: 'By worker',
          about: 'Attempts on each worker. One far below the others is worth a look.',
          unit: 'ops',
          width: 12,
          queries: { '{{instance}}': rate(`${ATTEMPT}_count`, ['instance'], THIS_TASK) },
        }),
        series({
          title: 'Dead letters by reason',
          about: 'Of this task, by workers, in the time shown.',
          width: 24,
          queries: { '{{reason}}': `sum by (reason) (increase(warren_dead_lettered_total{${THIS_TASK}}[$__range]))` },
        }),
      ],
    },
  })
}

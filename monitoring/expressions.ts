/**
 * The PromQL that panels and alerts share.
 *
 * Each figure of a queue is told by the node that leads it. When the leader moves, both nodes may tell for a moment: hence
 * `max by (queue)`, never `sum`, over nodes.
 */

/** `{a, b}` of PromQL, without empty parts. */
const selector = (...parts: readonly string[]): string => {
  const given = parts.filter((part) => part !== '')
  return given.length === 0 ? '' : `{${given.join(', ')}}`
}

/** Queues that tasks wait in for a worker: neither dead letters nor what waits for its time. */
export const TASK_QUEUES =
  'queue!~".*\\\\.dlq|.*\\\\.retry\\\\.[0-9]+|warren\\\\.delay\\\\..*|.*\\\\.celery\\\\.pidbox|celeryev\\\\..*"'
export const DELAY_LEVELS = 'queue=~"warren\\\\.delay\\\\.level\\\\.[0-9]+"'
export const UNROUTABLE_QUEUE = 'queue="warren.delay.unroutable"'
export const DEAD_LETTER_QUEUES = 'queue=~".*\\\\.dlq"'
/** What a dashboard is opened for. */
export const THIS_QUEUE = 'queue="$queue"'
export const THIS_TASK = 'task="$task"'

/** Fits the zoom of the panel; Grafana fills it in. */
const WINDOW = '$__rate_interval'

export type QueueFigure = 'messages' | 'messages_ready' | 'messages_unacked' | 'consumers'

/** A figure of each queue, as the broker tells it. */
export const ofQueues = (figure: QueueFigure, queues = TASK_QUEUES, at = ''): string =>
  `max by (queue) (rabbitmq_detailed_queue_${figure}${selector(queues)}${at})`

/** How fast a counter rises, summed up by the labels named. */
export function rate(metric: string, by: readonly string[] = [], filter = '', window = WINDOW): string {
  const grouping = by.length === 0 ? '' : ` by (${by.join(', ')})`
  return `sum${grouping} (rate(${metric}${selector(filter)}[${window}]))`
}

/** The time within which the given part of all is done, from a histogram. */
export const quantile = (
  part: number,
  histogram: string,
  by: readonly string[] = [],
  filter = '',
  window = WINDOW,
): string =>
  `histogram_quantile(${part}, sum by (${['le', ...by].join(', ')}) (rate(${histogram}_bucket${selector(filter)}[${window}])))`

/** A quantile that is 0 while there was nothing to measure. */
export const quantileOrNone = (part: number, histogram: string, window = WINDOW): string =>
  `((${quantile(part, histogram, [], '', window)} > 0) or vector(0))`

/** What has ticked, by a filter, within a time; 0 where no schedule has. */
export const ticked = (filter: string, window: string): string =>
  `(sum(increase(warren_ticks_total{${filter}}[${window}])) or vector(0))`

/** Flows that ended for a reason, within a time; 0 where none has. */
export const flowsEnded = (reason: string, window: string): string =>
  `(sum(increase(warren_flows_ended_total{reason="${reason}"}[${window}])) or vector(0))`

/** Tasks done, by queue. */
export const DONE = 'settled="acknowledged"'

/**
 * How many of the messages that were ready `window` ago are still not done, by queue. Queues are first in, first out: above
 * 0, the oldest task has waited longer than the window. It errs on the quiet side, since what workers held already at that
 * time is subtracted too.
 */
export function stillWaiting(window: string): string {
  const then = ofQueues('messages_ready', TASK_QUEUES, ` offset ${window}`)
  const done = `sum by (queue) (increase(warren_settled_total{${DONE}}[${window}]))`
  return `${then} - (${done} or 0 * ${ofQueues('messages_ready')})`
}

/** How many tasks of a queue workers hold while they have settled none of it for `window`; 0 where they have. */
export function unsettled(window: string): string {
  const settled = `sum by (queue) (increase(warren_settled_total[${window}]))`
  return `${ofQueues('messages_unacked')} * on (queue) ((${settled} or 0 * ${ofQueues('messages_unacked')}) == bool 0)`
}

/** Messages that no queue took, returned to their sender or dropped. */
export const UNROUTABLE =
  'sum(increase(rabbitmq_global_messages_unroutable_returned_total[5m])) + sum(increase(rabbitmq_global_messages_unroutable_dropped_total[5m]))'

/** The part of all connections that is opened anew each second. Fewer than 50 count as 50: a rolling restart is no churn. */
export const CONNECTION_CHURN =
  'sum(rate(rabbitmq_connections_opened_total[5m])) / clamp_min(sum(rabbitmq_connections), 50)'

/** By how much a node's disk will be above its limit in a day, as the last six hours went. */
export const DISK_IN_A_DAY =
  'min by (instance) (predict_linear(rabbitmq_disk_space_available_bytes{job="rabbitmq"}[6h], 86400) - rabbitmq_disk_space_available_limit_bytes{job="rabbitmq"})'

/** The part of the store's memory that is used; 0 where it has no limit. */
export const STORE_FILLED =
  'max(redis_memory_used_bytes) / clamp_min(max(redis_memory_max_bytes), 1) * (max(redis_memory_max_bytes) > bool 0)'

/** By a pattern: RabbitMQ 4.3 has no alarm for files any more. */
export const ALARMS =
  '{__name__=~"rabbitmq_alarms_(memory_used_watermark|free_disk_space_watermark|file_descriptor_limit)"}'

/** The part of the cluster's nodes that the node which sees fewest sees running, itself included; 1 is all. */
export const VISIBLE_PART = [
  '(1 + min(',
  'sum by (instance) (erlang_vm_dist_node_state{peer=~"rabbit(mq-[0-9]+)?@.*"} == bool 3)',
  ' or on (instance) 0 * (up{job="rabbitmq"} == 1)',
  ') or vector(0)) / scalar(count(up{job="rabbitmq"}))',
].join('')

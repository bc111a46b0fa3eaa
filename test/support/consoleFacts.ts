/** What a console's server says of a shop that sells pictures: an answer for every view. */
import type { Overview } from '../../console/overview.js'

const AT = Date.now()
const ago = (seconds: number): string => new Date(AT - seconds * 1_000).toISOString()
const page = (items: readonly object[], more: object = {}) => ({
  ...{ items, page: 1, size: 50, total: items.length, inAll: items.length },
  ...more,
})

export const TASK_ID = '88c55898-1f1e-4c3b-9a55-0a5c1d5a7d11'
export const OTHER_ID = '0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53'

const node = (name: string, more: object = {}) => ({
  ...{ name, state: 'up' as const, controlled: true, alarms: [], partitions: [], front: 'UP' },
  ...{ memoryBytes: 120e6, memoryLimitBytes: 800e6, diskFreeBytes: 40e9, uptimeMs: 3_600_000 },
  ...more,
})

export const overview = (more: Partial<Overview> = {}): Overview => ({
  ...{ at: AT, cluster: 'shop', version: '4.1.0', ready: 12, unacknowledged: 4, delayed: 20, dead: 372, p95: 48 },
  nodes: [node('rabbitmq-1'), node('rabbitmq-2'), node('rabbitmq-3')],
  rates: {
    published: 6,
    delivered: 6,
    acknowledged: 6,
    redelivered: 0,
    deadLettered: 0.4,
    finished: 5.6,
  },
  proxy: { name: 'haproxy', state: 'running', controlled: false },
  store: { name: 'valkey', state: 'running', controlled: true },
  addresses: { edge: 'http://127.0.0.1:1' },
  busy: [
    { task: 'image.thumbnail.make', perSecond: 4.1, failed: 0, p95: 31 },
    { task: 'payment.invoice.create', perSecond: 1.5, failed: 0.07, p95: 48 },
  ],
  oldest: { queue: 'payment.invoice.create.shop', ms: 4_000, how: 'reckoned' },
  queues: { inAll: 4, away: 0, unknown: 0 },
  workers: { inAll: 3, well: 3, busy: 2, running: 4, controlled: 2, silent: 1 },
  paused: 1,
  troubles: [
    {
      tone: 'bad',
      text: 'imgshop.dlx is missing: what dies in image.thumbnail.make.shop has no place to go',
      at: 'queues?q=image',
    },
    { tone: 'plain', text: 'image.thumbnail.make.shop is paused: the disk is full', at: 'queues?q=image' },
  ],
  ...more,
})

export const QUEUE = {
  ...{ name: 'payment.invoice.create.shop', vhost: '/', type: 'quorum', role: 'task', state: 'running' },
  ...{ leader: 'rabbitmq-1', members: ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3'] },
  ...{ online: ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3'], ready: 12, unacknowledged: 4, consumers: 2 },
  ...{
    published: 6,
    delivered: 6,
    acknowledged: 6,
    task: 'payment.invoice.create',
    service: 'shop',
    domain: 'payment',
  },
  ...{ deadLettering: 'kept', trend: [0, 3, 9, 4, 12], age: { ms: 4_000, how: 'reckoned' } },
}
export const PAUSED_QUEUE = {
  ...{ ...QUEUE, name: 'image.thumbnail.make.shop', task: 'image.thumbnail.make', domain: 'image', ready: 155 },
  ...{ deadLettering: 'missing', paused: { since: ago(600), reason: 'the disk is full' } },
}
export const UNKNOWN_QUEUE = {
  ...{ name: 'mail.letter.send.shop', vhost: '/', type: 'quorum', role: 'task', state: 'unknown', domain: 'mail' },
  ...{ leader: 'rabbitmq-1', members: ['rabbitmq-1'], trend: [] },
}
const LEVELS = {
  ...{
    name: 'warren.delay',
    vhost: '/',
    type: 'quorum',
    role: 'delay',
    state: 'running',
    domain: 'warren',
    stands: 24,
  },
  ...{ ready: 20, unacknowledged: 0, consumers: 0, published: 0, delivered: 0, trend: [] },
}

const failed = {
  ...{ id: TASK_ID, status: 'FAILURE', task: 'payment.charge.make', queue: QUEUE.name, attempt: 3, worker: 'api-2:41' },
  ...{ queuedAt: ago(20), startedAt: ago(9), doneAt: ago(8.9) },
  error: { errorClass: 'HandlerError', message: { text: 'the bank said 503 for order 4711' } },
}
const done = {
  ...{
    id: OTHER_ID,
    status: 'SUCCESS',
    task: 'payment.invoice.create',
    queue: QUEUE.name,
    attempt: 1,
    worker: 'api-1:40',
  },
  ...{ queuedAt: ago(3), startedAt: ago(2.9), doneAt: ago(2.8), result: { text: '{"invoiceId":"INV-1"}' } },
}

export const taskPage = {
  id: TASK_ID,
  stored: { ...failed, run: 0 },
  traceback: 'HandlerError: the bank said 503\n    at charge (charge.ts:7)',
  queuedAt: ago(20),
  attempts: [
    {
      number: 1,
      run: 0,
      state: 'RETRY',
      startedAt: ago(19.8),
      endedAt: ago(19.7),
      delayMs: 1_000,
      error: { text: 'HandlerError: the bank said 503' },
      worker: 'api-1:40',
    },
    {
      number: 2,
      run: 0,
      state: 'RETRY',
      startedAt: ago(18.6),
      endedAt: ago(18.5),
      delayMs: 9_000,
      error: { text: 'HandlerError: the bank said 503' },
      worker: 'api-2:41',
    },
    {
      number: 3,
      run: 0,
      state: 'FAILURE',
      startedAt: ago(9),
      endedAt: ago(8.9),
      error: { text: 'HandlerError: the bank said 503' },
      worker: 'api-2:41',
    },
  ],
  payload: null,
}

const letter = (index: number) => ({
  ...{
    id: index === 0 ? TASK_ID : `letter-${index}`,
    task: 'payment.charge.make',
    reason: 'failed',
    attempts: 3,
    redriven: 0,
    bytes: 240,
  },
  ...{
    error: 'HandlerError: the bank said # for order #',
    why: { text: `failed on attempt 3 with HandlerError: the bank said 503 for order ${4711 + index}` },
  },
  diedAt: ago(8 + index),
})
export const letterWhole = {
  ...letter(0),
  ...{ deadIn: 'payment.dlq', queue: QUEUE.name, exchange: 'payment.commands', routingKey: 'payment.charge.make' },
  ...{ contentType: 'application/json', headers: { text: '{}' }, input: { text: '{\n  "order": 4711\n}' } },
  ...{ content: { text: '[[],{"order":4711},{}]' }, base64: false },
}

const schedule = (id: string, more: object = {}) => ({
  ...{ id, service: 'shop', task: 'report.day.write', cron: '0 3 * * *', timeZone: 'Europe/Berlin', overlap: 'skip' },
  ...{ catchUp: 'latest', jitterMs: 0, next: new Date(AT + 3_600_000).toISOString() },
  ...{ last: { tick: ago(80_000), at: ago(80_000), id: OTHER_ID } },
  ...more,
})
const flow = {
  ...{
    id: 'album-7',
    state: 'running',
    onFailure: 'fail',
    startedAt: ago(12),
    deadline: new Date(AT + 80_000_000).toISOString(),
  },
}
const worker = (name: string, more: object = {}) => ({
  ...{
    name,
    state: 'running',
    controlled: true,
    queues: [{ queue: QUEUE.name, state: 'consuming' }],
    services: ['shop'],
  },
  ...{
    running: 2,
    held: 6,
    finished: 2.8,
    ready: true,
    restarts: 0,
    since: ago(4_000),
    host: '127.0.0.1',
    client: 'warren',
  },
  ...more,
})

/** What the API says to `GET path`; undefined for what it does not know. */
export function consoleAnswer(path: string): unknown {
  const [bare = '', words = ''] = path.replace(/^\/api/, '').split('?')
  const query = new URLSearchParams(words)
  const fits = (item: object) =>
    JSON.stringify(item)
      .toLowerCase()
      .includes((query.get('q') ?? '').toLowerCase())
  switch (bare) {
    case '/failures':
      return {
        source: 'history',
        of: 67,
        groups: [
          {
            error: 'HandlerError: the bank said # for order #',
            task: 'payment.charge.make',
            count: 67,
            id: TASK_ID,
            doneAt: ago(9),
          },
        ],
      }
    case '/tasks': {
      const status = { failed: 'FAILURE', done: 'SUCCESS' }[query.get('state') ?? '']
      const items = [done, failed].filter((item) => (status === undefined || item.status === status) && fits(item))
      return { items, source: 'history' }
    }
    case `/tasks/${TASK_ID}`:
      return taskPage
    case `/tasks/${TASK_ID}/dead-letters`:
      return [letterWhole]
    case '/queues': {
      const items = [QUEUE, PAUSED_QUEUE, UNKNOWN_QUEUE, LEVELS].filter(fits)
      return page(items, { at: AT, problem: null })
    }
    case `/queues/%2F/${QUEUE.name}`:
    case `/queues/%2F/${PAUSED_QUEUE.name}`: {
      const queue = bare.endsWith(QUEUE.name) ? QUEUE : PAUSED_QUEUE
      const rows = [30, 20, 10, 0].map((before, index) => [Math.round(AT / 1_000) - before, index * 4, index, 6, 6])
      const consumers = [{ connection: 'c', name: 'api-1 (consume)', prefetch: 10, active: true }]
      return {
        ...{ ...queue, series: ['ready', 'unacknowledged', 'published', 'delivered'], rows, own: true },
        detail: {
          policy: 'payments',
          bytes: 4_200,
          definition: { text: '{"message-ttl":60000}' },
          arguments: { text: '{}' },
          consumersInAll: 1,
          consumers,
        },
      }
    }
    case '/schedules':
      return {
        ...page([
          schedule('nightly'),
          schedule('weekly', { cron: undefined, everyMs: 604_800_000, paused: { since: ago(60), reason: 'holidays' } }),
        ]),
        services: ['shop'],
      }
    case '/schedules/shop/nightly':
      return {
        ...schedule('nightly'),
        input: { text: '{"day":1}' },
        catchUpWindowMs: 86_400_000,
        ticks: [new Date(AT + 3_600_000).toISOString()],
      }
    case '/flows':
      return page([flow])
    case '/flows/album-7':
      return {
        ...flow,
        counts: { succeeded: 1, sent: 1 },
        members: page([
          { id: 'album-7.0', task: 'image.fetch', state: 'succeeded' },
          { id: 'album-7.1', task: 'image.thumbnail.make', state: 'sent' },
        ]),
      }
    case '/dead-letters':
      return [
        { queue: 'payment.dlq', ready: 372, state: 'running' },
        { queue: 'image.dlq', state: 'unknown' },
      ]
    case '/dead-letters/payment.dlq': {
      const items = [0, 1, 2].map(letter)
      return {
        ...page(items),
        queue: 'payment.dlq',
        look: 'look-1',
        at: AT,
        more: false,
        reasons: { failed: 3 },
        tasks: { 'payment.charge.make': 3 },
        groups: [
          {
            error: 'HandlerError: the bank said # for order #',
            reason: 'failed',
            count: 3,
            tasks: ['payment.charge.make'],
            to: ago(8),
          },
        ],
      }
    }
    case `/dead-letters/payment.dlq/${TASK_ID}`:
      return [letterWhole]
    case '/workers':
      return {
        ...page([
          worker('worker-1'),
          worker('worker-2', { state: 'frozen', running: undefined }),
          worker('celery@py', { foreign: true, controlled: false, running: undefined, state: 'connected' }),
        ]),
        services: ['shop'],
      }
    case '/nodes':
      return { 'rabbitmq-1': { quorum: 2, alone: 1, only: ['user.account.create.demo-service'] } }
    case '/drills':
      return [{ name: 'node-kill', does: 'Kills a node.', holds: 'Nothing is lost.' }]
    default:
      return undefined
  }
}

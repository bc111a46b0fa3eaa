/** What a stranger may send: generated from a seed. Most messages are right but for a few parts; some are right throughout. */
import fc from 'fast-check'
import { headers as warrenHeaders } from 'warren'
import { encodeProperties, type Field, type Properties, type Table, text } from './fields.js'

export type QueueKind = 'classic' | 'quorum'
export const QUEUE_KINDS = ['classic', 'quorum'] as const

export interface FuzzMessage {
  readonly queue: QueueKind
  /** To the domain's exchange, or straight into the queue. */
  readonly route: 'exchange' | 'queue'
  /** `right`: the task that the queue is for. */
  readonly task: 'right' | Field
  /** `own`: one that no other message has; `shared`: one that many have. */
  readonly id: 'own' | 'shared' | Field
  /** Beside task and id. */
  readonly headers: Table
  readonly properties: Properties
  readonly body: Uint8Array
}

export const SHARED_ID = 'fz-shared'
/** One that every part of is right. What a shrunk message does not need is replaced by the part of this one. */
export const plainMessage: FuzzMessage = {
  ...{ queue: 'quorum', route: 'exchange', task: 'right', id: 'own', headers: [] },
  properties: { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2 },
  body: Buffer.from('[[], {"does": "ok"}, {}]'),
}

const CELERY_HEADERS = [
  ...['lang', 'root_id', 'parent_id', 'group', 'group_index', 'retries', 'eta', 'expires', 'timelimit', 'origin'],
  ...[
    'shadow',
    'argsrepr',
    'kwargsrepr',
    'ignore_result',
    'compression',
    'stamps',
    'stamped_headers',
    'replaced_task_nesting',
  ],
  ...['traceparent', 'tracestate'],
]
const BROKER_HEADERS = [
  'x-death',
  'x-delivery-count',
  'x-acquired-count',
  'x-first-death-queue',
  'x-first-death-exchange',
]
const ODD_NAMES = [
  '',
  '__proto__',
  'constructor',
  '!',
  'toString',
  'x-match',
  'é'.repeat(20),
  '\0',
  'x-warren-undecodable',
]

const bytes = fc.uint8Array({ maxLength: 40 })
const float = fc.constantFrom(0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.MIN_VALUE, -1e308)
const whole = (bits: number, signed: boolean) =>
  signed
    ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
    : fc.integer({ min: 0, max: 2 ** bits - 1 })
const instant = fc.date({ min: new Date('1900-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })

/** Texts that Warren or Celery would look into. */
const knownText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  instant.map((date) => date.toISOString()),
  fc.integer({ min: -5, max: 3 }).map((seconds) => new Date(Date.now() + seconds * 1000).toISOString()),
  fc.constantFrom(
    '',
    'null',
    '0',
    '-1',
    '1e400',
    'NaN',
    'true',
    'gzip',
    'py',
    'js',
    'fuzz.commands',
    'fuzz.dlx',
    'a'.repeat(300),
  ),
  fc.json({ maxDepth: 2 }),
  fc.constantFrom(
    '{"key":"k","until":"finished"}',
    '["k",1]',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ),
)

const { field } = fc.letrec<{ field: Field }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'field' },
    { weight: 4, arbitrary: knownText.map(text) },
    fc.record({ type: fc.constantFrom('S' as const, 'x' as const), bytes }),
    fc.boolean().map((value): Field => ({ type: 't', value })),
    whole(8, true).map((value): Field => ({ type: 'b', value })),
    whole(8, false).map((value): Field => ({ type: 'B', value })),
    whole(16, true).map((value): Field => ({ type: 's', value })),
    whole(16, false).map((value): Field => ({ type: 'u', value })),
    whole(32, true).map((value): Field => ({ type: 'I', value })),
    whole(32, false).map((value): Field => ({ type: 'i', value })),
    fc.record({ type: fc.constantFrom('f' as const, 'd' as const), value: float }),
    fc.record({
      type: fc.constantFrom('l' as const, 'L' as const),
      value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    }),
    // Instants near now are those that something waits for.
    fc.integer({ min: -5_000, max: 3_000 }).map((ms): Field => ({ type: 'l', value: BigInt(Date.now() + ms) })),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value): Field => ({ type: 'T', value })),
    fc.record({ type: fc.constant('D' as const), places: whole(8, false), digits: whole(31, false) }),
    fc.constant<Field>({ type: 'V' }),
    fc.array(tie('field'), { maxLength: 4 }).map((items): Field => ({ type: 'A', items })),
    fc
      .array(fc.tuple(fc.string({ maxLength: 10 }), tie('field')), { maxLength: 4 })
      .map((fields): Field => ({ type: 'F', fields })),
  ),
}))

/** Seldom, and large: together they may fill a frame. */
const largeField: fc.Arbitrary<Field> = fc.oneof(
  fc.integer({ min: 1_000, max: 60_000 }).map((length): Field => ({ type: 'S', bytes: Buffer.alloc(length, 'x') })),
  fc.integer({ min: 20, max: 200 }).map((depth) => nested(depth)),
  fc
    .integer({ min: 100, max: 3_000 })
    .map((length): Field => ({ type: 'A', items: new Array(length).fill({ type: 'V' }) })),
)
function nested(depth: number): Field {
  let value: Field = { type: 'V' }
  for (let level = 0; level < depth; level++) {
    value = level % 2 === 0 ? { type: 'A', items: [value] } : { type: 'F', fields: [['n', value]] }
  }
  return value
}

const headerName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...CELERY_HEADERS) },
  { weight: 5, arbitrary: fc.constantFrom(...Object.values(warrenHeaders)) },
  { weight: 1, arbitrary: fc.constantFrom(...BROKER_HEADERS) },
  { weight: 1, arbitrary: fc.constantFrom(...ODD_NAMES) },
  { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
)
const extraHeaders: fc.Arbitrary<Table> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Table>([]) },
  {
    weight: 10,
    arbitrary: fc.array(
      fc.tuple(headerName, fc.oneof({ weight: 30, arbitrary: field }, { weight: 1, arbitrary: largeField })),
      { maxLength: 3 },
    ),
  },
)

const property = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '',
    'warren-replies-1',
    'x'.repeat(255),
    'text/plain',
    'application/json; charset=latin1',
    'application/x-python-serialize',
  ),
)
const properties: fc.Arbitrary<Properties> = fc
  .record(
    {
      contentType: property,
      contentEncoding: fc.oneof(property, fc.constantFrom('UTF8', 'us-ascii', 'base64', 'binary')),
      // RabbitMQ refuses all others.
      deliveryMode: fc.constantFrom(1, 2),
      priority: whole(8, false),
      correlationId: property,
      replyTo: fc.oneof(
        { weight: 20, arbitrary: property },
        { weight: 1, arbitrary: fc.constant('amq.rabbitmq.reply-to') },
      ),
      // RabbitMQ refuses all else.
      expiration: fc.integer({ min: 0, max: 60_000 }).map(String),
      messageId: property,
      timestamp: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      type: property,
      clusterId: property,
    },
    { requiredKeys: [] },
  )
  .chain((odd) => {
    const keys = Object.keys(odd) as (keyof Properties)[]
    const used = fc.constantFrom<readonly (keyof Properties)[]>([], [], [], [], [], [], keys, keys.slice(0, 1))
    return used.map((some) => ({
      ...plainMessage.properties,
      ...Object.fromEntries(some.map((key) => [key, (odd as Properties)[key]])),
    }))
  })

const json = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.constantFrom(
    ...[
      '{"does":"ok"}',
      '{"does":"throw"}',
      '{"does":"reject"}',
      '{"does":"odd"}',
      '{"does":"ok","n":9007199254740993}',
    ],
    ...[
      'NaN',
      '-Infinity',
      '1e999',
      '-0',
      '"\\ud800"',
      '{"__proto__":{"does":"ok"}}',
      '{"does":"ok","does":"throw"}',
      '123456789012345678901234567890',
    ],
    ...[
      '{"__type__":"datetime","__value__":"2026-02-30T25:61:61"}',
      '{"__type__":"uuid","__value__":7}',
      '{"__type__":"bytes","__value__":"!"}',
    ],
  ),
)
const embed = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom('{}', 'null', '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'),
  },
  fc.constantFrom('{"chain":[{"task":"x"}]}', '{"callbacks":[1]}', '{"chord":true}', '[]', '7'),
)
const body: fc.Arbitrary<Uint8Array> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .constantFrom('ok', 'ok', 'throw', 'reject', 'odd')
      .map((does) => Buffer.from(`[[], {"does":"${does}"}, {}]`)),
  },
  { weight: 2, arbitrary: fc.tuple(json, json, embed).map((parts) => Buffer.from(`[${parts.join(',')}]`)) },
  { weight: 2, arbitrary: fc.tuple(json, embed).map(([input, rest]) => Buffer.from(`[[],${input},${rest}]`)) },
  json.map((each) => Buffer.from(each)),
  fc.uint8Array({ maxLength: 60 }),
  fc.constantFrom(1_000, 100_000).map((depth) => Buffer.from(`[[],${'['.repeat(depth)}${']'.repeat(depth)},{}]`)),
  fc
    .constantFrom(131_064, 131_065, 300_000)
    .map((length) => Buffer.from(`[[],{"does":"ok","pad":"${'p'.repeat(length)}"},{}]`)),
)

export const message: fc.Arbitrary<FuzzMessage> = fc.record({
  queue: fc.constantFrom(...QUEUE_KINDS),
  route: fc.constantFrom('exchange' as const, 'exchange' as const, 'queue' as const),
  task: fc.oneof(
    { weight: 12, arbitrary: fc.constant('right' as const) },
    { weight: 1, arbitrary: field },
    fc.constant(text('fuzz.no.such')),
  ),
  id: fc.oneof(
    { weight: 12, arbitrary: fc.constant('own' as const) },
    { weight: 1, arbitrary: fc.constant('shared' as const) },
    { weight: 2, arbitrary: field },
  ),
  headers: extraHeaders,
  properties,
  body,
})

/** The text of the id, if Warren may read one. */
export function idOf({ id }: FuzzMessage, tracer: string): string | undefined {
  if (id === 'own') return tracer
  if (id === 'shared') return SHARED_ID
  return id.type === 'S' ? Buffer.from(id.bytes).toString('utf8') : undefined
}

const MAX_HEADER_BYTES = 131_000

/** The header frame's payload. `tracer` goes into a property that every copy keeps. */
export function headerFrame(message: FuzzMessage, tracer: string, taskName: string): Buffer {
  const id = idOf(message, tracer)
  const named: Table = [
    ['task', message.task === 'right' ? text(taskName) : message.task],
    ['id', typeof message.id === 'string' ? text(id ?? '') : message.id],
  ]
  const others = message.headers.filter(([name]) => name !== 'task' && name !== 'id')
  const properties = { ...message.properties, appId: tracer }
  const whole = encodeProperties(properties, [...named, ...others], message.body.length)
  // What does not fit into one frame cannot be sent at all.
  return whole.length < MAX_HEADER_BYTES ? whole : encodeProperties(properties, named, message.body.length)
}

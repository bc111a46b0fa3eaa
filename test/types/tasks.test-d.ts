/** What the compiler says of tasks. `tsc` is the test: each line with @ts-expect-error must be an error, and no other. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  type CarriedByJson,
  connect,
  defineTask,
  graph,
  type Handle,
  type HandlerOf,
  type TaskInput,
  type TaskOptions,
  type TaskOutput,
  type Warren,
} from 'warren'
import { z } from 'zod'

declare const warren: Warren
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_T extends true>(): void => undefined

// What JSON carries is taken, however it is written.
interface Line {
  readonly text: string
  readonly count?: number
}
defineTask({
  name: 'types.taken.all',
  input: z.object({
    text: z.string().optional(),
    list: z.array(z.number().nullable()),
    map: z.record(z.string(), z.boolean()),
    pair: z.tuple([z.string(), z.number()]),
    kind: z.union([z.literal('a'), z.object({ nested: z.object({ deep: z.array(z.string()) }) })]),
    anything: z.any(),
    unknown: z.unknown(),
    json: z.json(),
    branded: z.string().brand<'Id'>(),
    line: z.custom<Line>(),
    at: z.coerce.date(),
    when: z.iso.datetime().transform((text) => new Date(text)),
  }),
  output: z.object({ at: z.coerce.date() }),
})
defineTask({ name: 'types.taken.none', input: z.unknown(), output: z.void() })

// What JSON cannot carry is an error where the task is defined, and names the place.
// @ts-expect-error at is a Date
defineTask({ name: 'types.refused.date', input: z.object({ at: z.date() }) })
// @ts-expect-error days[] is a Date
defineTask({ name: 'types.refused.dates', input: z.object({ days: z.array(z.date()) }) })
// @ts-expect-error ids is a Set
defineTask({ name: 'types.refused.set', input: z.object({ ids: z.set(z.string()) }) })
// @ts-expect-error m is a Map
defineTask({ name: 'types.refused.map', input: z.object({ m: z.map(z.string(), z.number()) }) })
// @ts-expect-error total is a bigint
defineTask({ name: 'types.refused.bigint', input: z.object({ order: z.object({ total: z.bigint() }) }) })
// @ts-expect-error bytes
defineTask({ name: 'types.refused.bytes', input: z.object({ image: z.instanceof(Uint8Array) }) })
// @ts-expect-error a function
defineTask({ name: 'types.refused.function', input: z.object({ call: z.custom<() => void>() }) })
// @ts-expect-error it is a Date
defineTask({ name: 'types.refused.top', input: z.date() })
// @ts-expect-error a Date on one side
defineTask({ name: 'types.refused.union', input: z.object({ at: z.union([z.string(), z.date()]).optional() }) })
// @ts-expect-error at is a Date
defineTask({ name: 'types.refused.output', input: z.unknown(), output: z.object({ at: z.date() }) })
// @ts-expect-error the input type of the schema counts: text would have to be sent
defineTask({ name: 'types.refused.pipe', input: z.object({ at: z.date().transform(String) }) })

// A factory of tasks hands the requirement on to its callers.
const inQuarantine = <Input extends StandardSchemaV1>(
  options: TaskOptions<Input, undefined> & CarriedByJson<Input, undefined>,
) => defineTask(options)
inQuarantine({ name: 'types.factory.taken', input: z.string() })
// @ts-expect-error it is a Date
inQuarantine({ name: 'types.factory.refused', input: z.date() })

const report = defineTask({
  name: 'types.report.write',
  input: z.object({ month: z.string().transform(Number) }),
  output: z.object({ at: z.iso.datetime().transform((text) => new Date(text)), pages: z.number() }),
})
const count = defineTask({ name: 'types.words.count', input: z.string(), output: z.number() })

// The sender gives what goes into the input schema, and gets what comes out of the output schema.
holds<Same<TaskInput<typeof report>, { month: string }>>()
holds<Same<TaskOutput<typeof report>, { at: Date; pages: number }>>()
const sent: Promise<Handle<{ at: Date; pages: number }>> = warren.send(report, { month: '3' })
// @ts-expect-error the schema reads text
void warren.send(report, { month: 3 })

// The handler gets what comes out of the input schema, and returns what goes into the output schema.
warren.worker({ service: 's' }).handle(report, ({ month }) => ({ at: new Date().toISOString(), pages: month * 2 }))
// @ts-expect-error a Date where the output schema reads text
warren.worker({ service: 's' }).handle(report, () => ({ at: new Date(), pages: 1 }))
// @ts-expect-error pages is missing
warren.worker({ service: 's' }).handle(report, async () => ({ at: '2026-01-01T00:00:00Z' }))
const handler: HandlerOf<typeof report> = async ({ month }) => ({ at: '2026-01-01T00:00:00Z', pages: month })

// The handle of one of several tasks.
declare const either: typeof report | typeof count
const handle = warren.handle(either, 'id')
holds<Same<Awaited<ReturnType<typeof handle.result>>, number | { at: Date; pages: number }>>()
holds<Same<Awaited<ReturnType<Handle<number>['result']>>, number>>()

// Undefined counts as left out, in types too.
const maybe = undefined as number | undefined
void connect({ broker: 'amqp://host', results: undefined, confirmTimeoutMs: maybe, logger: undefined })
void warren.send(count, 'a b', { id: undefined, confirmTimeoutMs: maybe, expires: undefined })
void warren.sendMany(count, ['a'], { onSent: undefined, options: (input, index) => ({ id: `${input}${index}` }) })
defineTask({ name: 'types.undefined.options', input: z.string(), timeoutMs: maybe, retry: { maxAttempts: maybe } })

// The steps of a graph take the results of earlier ones where they fit.
const counted = defineTask({ name: 'types.flow.count', input: z.object({ text: z.string() }), output: z.number() })
const written = defineTask({
  name: 'types.flow.write',
  input: z.object({ count: z.number(), title: z.string() }),
  output: z.string(),
})
const steps = graph()
  .step('count', counted, { text: 'a' })
  .step('write', written, { title: 'b' }, { from: { count: 'count' } })
const results = warren.flows.start(steps).then((flow) => flow.result())
holds<Same<Awaited<typeof results>['count'], number>>()
holds<Same<Awaited<typeof results>['write'], string>>()
// @ts-expect-error a text is no count
steps.step('again', written, { title: 'b' }, { from: { count: 'write' } })
// @ts-expect-error the title is missing
steps.step('again', written, {}, { from: { count: 'count' } })
// @ts-expect-error there is no step of this name
steps.step('again', counted, { text: 'a' }, { after: ['nobody'] })
// @ts-expect-error another step has this name
steps.step('count', counted, { text: 'a' })
// @ts-expect-error there is no property of this name
defineTask({ name: 'types.flow.named', input: z.object({ n: z.number() }), positional: ['m'] })

export { handler, sent }

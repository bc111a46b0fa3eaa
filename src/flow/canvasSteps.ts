/**
 * What has to be sent so that a Celery signature runs: one message for a task and for a chain, one for each member of a
 * group. Ids that its client did not fix are made from the id of what came before, so that whoever repeats a step sends the
 * same tasks. Pure. Source: `apply_async`, `prepare_steps` and `run` in celery/canvas.py.
 */
import {
  type Canvas,
  type Following,
  groupOf,
  membersOf,
  type Parts,
  routeOf,
  type Signature,
  type SignatureRoute,
} from '../wire/canvas.js'
import { parseInstant } from '../wire/celeryValues.js'
import type { NewEnvelope } from '../wire/envelope.js'
import { uuid5 } from '../wire/uuid.js'

/** A message of a canvas, before it is encoded. */
export interface CanvasMessage {
  readonly envelope: NewEnvelope
  readonly route: SignatureRoute
  readonly priority: number | undefined
}

export type CanvasStep =
  /** Before the first member of a chord is sent: how many of them end. */
  { readonly kind: 'size'; readonly group: string; readonly size: number } | ({ readonly kind: 'send' } & CanvasMessage)

/** From where a signature is started. */
export interface Origin {
  /** What its ids are made from. */
  readonly seed: string
  /** What follows it, the next one last. */
  readonly chain: readonly Signature[]
  /** As a member of a group. */
  readonly member?: Member | undefined
  readonly rootId: string
  readonly parentId: string
  /** In milliseconds since 1970. */
  readonly now: number
}

interface Member {
  readonly group: string
  readonly index: number
  readonly chord: Signature | undefined
}

/** Made once, at random. */
const NAMESPACE = Buffer.from('0c9b5d0e6f3a4d5c9a51f5f1b3d7a2e8', 'hex')

/** `results` go before the arguments of what is not immutable: none, or the result of what ran before. */
export function stepsOf(signature: Signature, results: readonly unknown[], origin: Origin): CanvasStep[] {
  const passed = signature.immutable ? [] : results
  switch (signature.subtask_type) {
    case 'chain':
      return chainSteps(signature, passed, origin)
    case 'group':
      return groupSteps(signature, passed, origin)
    case 'chord':
      return chordSteps(signature, passed, origin)
    case null:
      return [{ kind: 'send', ...messageOf(signature, passed, origin) }]
  }
}

function chainSteps({ kwargs, options, args }: Signature, results: readonly unknown[], origin: Origin): CanvasStep[] {
  const tasks = collected((kwargs as Required<Parts>).tasks)
  const { task_id: id, link, link_error: errors, ...rest } = options as Following & Record<string, unknown>
  const linked = tasks.map((each, at) =>
    withOptions(each, {
      ...(at === tasks.length - 1 ? { ...memberOptions(origin.member), ...rest, task_id: id, link } : {}),
      link_error: errors,
    }),
  )
  const [first, ...others] = linked
  if (first === undefined) return []
  const chain = [
    ...(origin.chain.length > 0 ? origin.chain : ((options as Following).chain ?? [])),
    ...others.reverse(),
  ]
  return stepsOf(first, [...results, ...args], { ...origin, seed: `${origin.seed}/first`, chain, member: undefined })
}

/** A group that something follows is the header of a chord, whose body that is: as Celery's `chain` makes it. */
function collected(tasks: readonly Signature[]): readonly Signature[] {
  const list: Signature[] = []
  for (const task of tasks) {
    const before = list.at(-1)
    if (before?.subtask_type === 'group') list[list.length - 1] = chordOf(before, task)
    else list.push(task)
  }
  return list
}

function groupSteps(group: Signature, results: readonly unknown[], origin: Origin): CanvasStep[] {
  const following = origin.chain.length > 0 ? origin.chain : ((group.options as Following).chain ?? [])
  const next = following.at(-1)
  if (next !== undefined) {
    return chordSteps(chordOf(group, next), results, { ...origin, chain: following.slice(0, -1) })
  }
  const id = textIn(group.options.task_id) ?? idOf(`${origin.seed}/group`)
  const chord = origin.member?.chord ?? (group.options as Following).chord
  return memberSteps(membersOf(group), [...results, ...group.args], id, chord, origin)
}

function chordSteps({ kwargs, options, args }: Signature, results: readonly unknown[], origin: Origin): CanvasStep[] {
  const { header, body } = kwargs as Required<Parts>
  const { chain, ...rest } = options as Following & Record<string, unknown>
  const following = origin.chain.length > 0 ? origin.chain : (chain ?? [])
  const then = withOptions(body, {
    ...memberOptions(origin.member),
    ...rest,
    ...(following.length > 0 ? { chain: following } : {}),
  })
  const members = membersOf(header)
  const id = textIn(header.options.task_id) ?? idOf(`${origin.seed}/group`)
  if (members.length === 0) return stepsOf(then, [[]], { ...origin, seed: bodySeed(id), chain: [], member: undefined })
  return [
    { kind: 'size', group: id, size: members.length },
    ...memberSteps(members, [...results, ...args], id, then, origin),
  ]
}

const memberSteps = (
  members: readonly Signature[],
  results: readonly unknown[],
  group: string,
  chord: Signature | undefined,
  origin: Origin,
): CanvasStep[] =>
  members.flatMap((each, index) =>
    stepsOf(each, results, { ...origin, seed: `${group}/${index}`, chain: [], member: { group, index, chord } }),
  )

/** What the ids behind a chord are made from, by whoever of its members comes last. */
export const bodySeed = (group: string): string => `${group}/body`

function messageOf(signature: Signature, results: readonly unknown[], origin: Origin): CanvasMessage {
  const { task, args, kwargs, options } = signature
  const { member, rootId, parentId, now } = origin
  const { link: callbacks = [], link_error: errbacks = [], chain: own = [], chord: frozen } = options as Following
  // What its client kept of the body lacks what follows the chord here.
  const chord = member?.chord ?? frozen
  const chain = origin.chain.length > 0 ? origin.chain : own
  const any = callbacks.length + errbacks.length + chain.length > 0 || chord !== undefined
  const canvas: Canvas | undefined = any ? { callbacks, errbacks, chain, chord, refused: undefined } : undefined
  const group = textIn(options.group_id) ?? member?.group
  const index = options.group_index
  const limits = [options.time_limit, options.soft_time_limit].filter(isSeconds)
  return {
    envelope: {
      ...{ task, id: textIn(options.task_id) ?? idOf(origin.seed), args: [...results, ...args], input: kwargs, canvas },
      ...{ group, groupIndex: typeof index === 'number' ? index : member?.index },
      ...{ rootId: textIn(options.root_id) ?? rootId, parentId, sent: now, replyTo: textIn(options.reply_to) },
      ...{ eta: instantIn(options.eta ?? options.countdown, now), expires: instantIn(options.expires, now) },
      timeLimitMs: limits.length === 0 ? undefined : Math.min(...limits) * 1_000,
      ignoreResult: options.ignore_result === true,
    },
    // The client's signature was refused where it has none.
    route: routeOf(signature) ?? { exchange: '', routingKey: task },
    priority: typeof options.priority === 'number' ? options.priority : undefined,
  }
}

const isSeconds = (value: unknown): value is number => typeof value === 'number' && value > 0

/** Celery takes seconds from now on, or an instant as text. */
function instantIn(value: unknown, now: number): Date | undefined {
  if (typeof value === 'number') return new Date(now + value * 1_000)
  return typeof value === 'string' ? parseInstant(value) : undefined
}

const memberOptions = (member: Member | undefined): Readonly<Record<string, unknown>> =>
  member === undefined ? {} : { group_id: member.group, group_index: member.index, chord: member.chord }

/** With these options, but for those that it has itself; what is linked to it comes first. A chain and a chord replace its own. */
function withOptions(signature: Signature, given: Readonly<Record<string, unknown>>): Signature {
  const { options } = signature
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const joined = ['link', 'link_error'].flatMap((key) => {
    const all = [...((options[key] as Signature[] | undefined) ?? []), ...((set[key] as Signature[] | undefined) ?? [])]
    return all.length === 0 ? [] : [[key, all] as const]
  })
  const { chain, chord } = set
  const later = { ...(chain === undefined ? {} : { chain }), ...(chord === undefined ? {} : { chord }) }
  return { ...signature, options: { ...set, ...options, ...Object.fromEntries(joined), ...later } }
}

const chordOf = (header: Signature, body: Signature): Signature => ({
  ...{ task: 'celery.chord', args: [], options: {}, subtask_type: 'chord', immutable: header.immutable },
  kwargs: { header: header.subtask_type === 'group' ? header : groupOf([header]), body },
})

const idOf = (seed: string): string => uuid5(NAMESPACE, seed)

const textIn = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

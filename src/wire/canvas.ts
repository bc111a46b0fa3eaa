/**
 * Celery's canvas, as it travels in the third part of a message's body: what is to follow when the task has succeeded
 * (`callbacks`, and the last of `chain`) or failed (`errbacks`), and the body of the chord that it is a member of. Pure.
 *
 * All of it is checked when the message comes, down to the last signature, so that what Warren cannot carry out is refused
 * before anything runs. Source: celery/canvas.py, celery/app/trace.py, celery/backends/base.py of Celery 5.2 to 5.6.
 */
import { MessageError } from '../errors/index.js'
import { describe, isTable } from './celeryValues.js'
import { isNothing, MAX_SHORT_BYTES } from './headerValues.js'
import { commandsExchange, domainOf, FLOW_FAILED, FLOW_SUCCEEDED } from './names.js'

type Table = Readonly<Record<string, unknown>>

/** A task to be sent, or several: Celery's `Signature`, in its own words. */
export interface Signature {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Table
  readonly options: Table
  readonly subtask_type: 'chain' | 'group' | 'chord' | null
  /** It takes no result of what ran before it. */
  readonly immutable: boolean
}

export interface Canvas {
  /** Each is sent with the result. */
  readonly callbacks: readonly Signature[]
  /** Each is sent with the id of the task that failed. */
  readonly errbacks: readonly Signature[]
  /** The last one is next. */
  readonly chain: readonly Signature[]
  /** What is sent with the results of the whole group. */
  readonly chord: Signature | undefined
  /** Why it cannot be carried out. */
  readonly refused: string | undefined
}

/** Where a signature goes. */
export interface SignatureRoute {
  readonly exchange: string
  readonly routingKey: string
}

/** Deeper than anybody means, and shallower than the stack. */
const MAX_DEPTH = 50
const KINDS: readonly unknown[] = ['chain', 'group', 'chord']
/** What a Celery task may be called: Warren cannot route it by its name alone unless it has a domain. */
const ROUTABLE = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/

/**
 * Undefined where there is none, as in nearly every message. Of a member of a flow, what is for Python workers is left out.
 * Throws {@link MessageError} for what is no canvas.
 */
export function canvasIn(embed: unknown, isMember: boolean): Canvas | undefined {
  if (embed === null) return undefined
  if (!isTable(embed)) throw new MessageError(`Expected embed, body[2], to be an object, got: ${describe(embed)}`)
  const { callbacks, errbacks, chain, chord } = embed
  const isOwn = ({ task }: Signature): boolean => !isMember || (task !== FLOW_SUCCEEDED && task !== FLOW_FAILED)
  if (isEmpty(callbacks) && isEmpty(errbacks) && isEmpty(chain) && isEmpty(chord)) return undefined
  const canvas = {
    callbacks: signaturesIn('callbacks', callbacks, 0).filter(isOwn),
    errbacks: signaturesIn('errbacks', errbacks, 0).filter(isOwn),
    chain: signaturesIn('chain', chain, 0),
    chord: isEmpty(chord) ? undefined : signatureIn('chord', chord, 0),
  }
  const count = canvas.callbacks.length + canvas.errbacks.length + canvas.chain.length
  if (count === 0 && canvas.chord === undefined) return undefined
  return { ...canvas, refused: firstProblem(canvas) }
}

/** Whether anything in it is a chord, whose members meet in the result store. */
export function hasChord({ callbacks, errbacks, chain, chord }: Canvas): boolean {
  const within = (each: Signature): boolean => each.subtask_type === 'chord' || partsOf(each).some(within)
  return chord !== undefined || [...callbacks, ...errbacks, ...chain].some(within)
}

/** By its own options, as a Celery client sets them; else as every Warren task is routed, by its name. */
export function routeOf({ task, options }: Signature): SignatureRoute | undefined {
  const { exchange, routing_key: key, queue } = options
  if (isShort(exchange)) return { exchange, routingKey: isShort(key) ? key : task }
  if (isShort(queue)) return { exchange: '', routingKey: queue }
  if (!ROUTABLE.test(task) || task.startsWith('celery.')) return undefined
  return { exchange: commandsExchange(domainOf(task)), routingKey: task }
}

/** The signatures that follow from one: its own parts, and those in its options. */
export function partsOf({ subtask_type: kind, kwargs, options }: Signature): readonly Signature[] {
  const { tasks = [], header, body } = kwargs as Parts
  const { link = [], link_error: errors = [], chain = [], chord } = options as Following
  const own = kind === null ? [] : kind === 'chord' ? [header, body] : tasks
  return [...own, ...link, ...errors, ...chain, chord].filter((each) => each !== undefined)
}

/** The members of a group; those of groups in it are its own, as for Celery. */
export const membersOf = ({ kwargs }: Signature): readonly Signature[] =>
  ((kwargs as Parts).tasks ?? []).flatMap((each) => (each.subtask_type === 'group' ? membersOf(each) : [each]))

/** What `kwargs` of a chain, group or chord hold, once they are read. */
export type Parts = {
  readonly tasks?: readonly Signature[]
  readonly header?: Signature
  readonly body?: Signature
}

/** What `options` hold, once they are read. */
export type Following = {
  readonly link?: readonly Signature[]
  readonly link_error?: readonly Signature[]
  readonly chain?: readonly Signature[]
  readonly chord?: Signature
}

function firstProblem({ callbacks, errbacks, chain, chord }: Omit<Canvas, 'refused'>): string | undefined {
  for (const each of [...callbacks, ...errbacks, ...chain, ...(chord === undefined ? [] : [chord])]) {
    const problem = problemOf(each)
    if (problem !== undefined) return problem
  }
  return undefined
}

function problemOf(signature: Signature): string | undefined {
  const { subtask_type: kind, task } = signature
  if (kind === null && routeOf(signature) === undefined) {
    return `${task} has no place to go: set \`queue\`, or \`exchange\` and \`routing_key\`, in the options of its signature`
  }
  if (kind === 'chord') {
    const { header } = signature.kwargs as Required<Parts>
    for (const member of membersOf(header)) {
      if (
        member.subtask_type === 'chain' &&
        (member.kwargs as Required<Parts>).tasks.at(-1)?.subtask_type === 'group'
      ) {
        return 'a chain in the header of a chord ends with a group: let a task follow that collects its results'
      }
    }
  }
  for (const part of partsOf(signature)) {
    const problem = problemOf(part)
    if (problem !== undefined) return problem
  }
  return undefined
}

function signaturesIn(where: string, value: unknown, depth: number): readonly Signature[] {
  if (isEmpty(value)) return []
  // Celery takes a single one, too.
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.map((each) => signatureIn(where, each, depth))
}

function signatureIn(where: string, value: unknown, depth: number): Signature {
  if (depth > MAX_DEPTH) throw new MessageError(`Expected at most ${MAX_DEPTH} levels of canvas, got more in ${where}`)
  if (!isTable(value)) throw new MessageError(`Expected a signature in ${where}, got: ${describe(value)}`)
  const { task, args, kwargs, options, subtask_type: given, immutable } = value
  const kind = isNothing(given) ? null : given
  if (!isShort(task)) throw new MessageError(`Expected the task of a signature in ${where}, got: ${describe(task)}`)
  if (kind !== null && !KINDS.includes(kind)) {
    throw new MessageError(`Expected a task, chain, group or chord in ${where}, got: ${describe(kind)}`)
  }
  const at = describe(task)
  return {
    task,
    args: listIn(`args of ${at}`, args),
    kwargs: partsIn(at, kind as Signature['subtask_type'], tableIn(`kwargs of ${at}`, kwargs), depth + 1),
    options: optionsIn(at, tableIn(`options of ${at}`, options), depth + 1),
    subtask_type: kind as Signature['subtask_type'],
    immutable: immutable === true,
  }
}

function partsIn(at: string, kind: Signature['subtask_type'], kwargs: Table, depth: number): Table {
  if (kind === null) return kwargs
  if (kind !== 'chord') {
    const tasks = signaturesIn(`tasks of ${at}`, kwargs.tasks, depth)
    if (kind === 'chain' && tasks.length === 0) throw new MessageError(`Expected a chain of at least one task in ${at}`)
    return { tasks }
  }
  const { header, body } = kwargs
  return {
    header: isTable(header)
      ? signatureIn(`header of ${at}`, header, depth)
      : groupOf(signaturesIn(`header of ${at}`, header, depth)),
    body: signatureIn(`body of ${at}`, body, depth),
  }
}

function optionsIn(at: string, options: Table, depth: number): Table {
  const { link, link_error: errors, chain, chord, ...rest } = options
  return {
    ...rest,
    ...(isEmpty(link) ? {} : { link: signaturesIn(`link of ${at}`, link, depth) }),
    ...(isEmpty(errors) ? {} : { link_error: signaturesIn(`link_error of ${at}`, errors, depth) }),
    ...(isEmpty(chain) ? {} : { chain: signaturesIn(`chain of ${at}`, chain, depth) }),
    ...(isEmpty(chord) ? {} : { chord: signatureIn(`chord of ${at}`, chord, depth) }),
  }
}

export const groupOf = (tasks: readonly Signature[]): Signature => ({
  ...{ task: 'celery.group', args: [], kwargs: { tasks }, options: {}, subtask_type: 'group', immutable: false },
})

function listIn(where: string, value: unknown): readonly unknown[] {
  if (isNothing(value)) return []
  if (Array.isArray(value)) return value
  throw new MessageError(`Expected ${where} to be a list, got: ${describe(value)}`)
}

function tableIn(where: string, value: unknown): Table {
  if (isNothing(value)) return {}
  if (isTable(value)) return value
  throw new MessageError(`Expected ${where} to be an object, got: ${describe(value)}`)
}

const isShort = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_SHORT_BYTES

/** Python's falsehood, by which Celery itself decides whether there is anything to follow. */
const isEmpty = (value: unknown): boolean =>
  !value || (Array.isArray(value) && value.length === 0) || (isTable(value) && Object.keys(value).length === 0)

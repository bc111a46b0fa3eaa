/** A flow in the store: its plan, which of its nodes were sent and how they ended, and how it ended itself. */
import { createHash } from 'node:crypto'
import type { FlowMemberName } from '../errors/index.js'
import type { Results } from '../results/store.js'
import {
  flowEventsKey,
  flowGatherKey,
  flowInputsKey,
  flowKey,
  flowMemberId,
  flowSentKey,
  flowsKey,
} from '../wire/names.js'
import { BEGIN, END, NOTE, SENT } from './flowScripts.js'
import { decodeEnd, encodeEnd, type MemberEnd } from './memberEnd.js'
import type { FlowPlan, PlanNode } from './plan.js'

export type FlowState = 'running' | 'succeeded' | 'failed' | 'cancelled'
/** What a member that fails does to its flow. */
export type FlowRule = 'fail' | 'continue'

/** How a flow ended. */
export interface FlowEnd {
  readonly at: number
  readonly reason?: string
  readonly text?: string
  readonly member?: FlowMemberName
}

export interface FlowRecord {
  readonly state: FlowState
  readonly told: boolean
  readonly rule: FlowRule
  readonly startedAt: number
  readonly deadline: number
  readonly last: number
  readonly count: number
  readonly roots: readonly number[]
  readonly reply: string
  readonly digest: string
  readonly end: FlowEnd | undefined
}

export interface NewFlow {
  readonly rule: FlowRule
  readonly startedAt: number
  readonly deadline: number
  readonly reply: string
}

/** What is known of a node once its end is noted. */
export interface Noted {
  readonly state: FlowState
  readonly told: boolean
  readonly rule: FlowRule
  readonly end: MemberEnd
  /** How many members of its gathering have ended. */
  readonly ended: number
  readonly node: PlanNode
}

/** All that is known of a flow. */
export interface WholeFlow {
  readonly record: FlowRecord
  readonly nodes: readonly PlanNode[]
  readonly ends: ReadonlyMap<number, MemberEnd>
  readonly sent: ReadonlySet<number>
}

/** How many fields are written or read at a time: the store does nothing else meanwhile. */
const CHUNK = 500
const STORE_MS = 10_000
const RECORD = ['state', 'told', 'rule', 'started', 'deadline', 'last', 'count', 'roots', 'reply', 'digest', 'end']

export class FlowStore {
  readonly results: Results
  readonly vhost: string

  constructor(results: Results, vhost: string) {
    this.results = results
    this.vhost = vhost
  }

  /** Keeps a plan. Returns the flow that there is under this id already. Throws what `Results.ask` throws. */
  async begin(flow: string, plan: FlowPlan, given: NewFlow): Promise<FlowRecord | undefined> {
    const { results } = this
    const digest = digestOf(plan, given.rule)
    const before = await this.look(flow)
    if (before !== undefined) return before
    const expires = given.deadline + results.ttlMs
    const nodes = plan.nodes.map((node, number): [string, string] => [`p${number}`, JSON.stringify(node)])
    await this.#write(flowKey(flow), nodes, expires)
    await this.#write(
      flowInputsKey(flow),
      [...plan.inputs].map(([node, json]): [string, string] => [String(node), json]),
      expires,
    )
    await results.ask((store) => store.set(flowsKey(this.vhost), '1', 'PX', results.ttlMs * 30), STORE_MS)
    const fields: Record<string, string | number> = {
      ...{ state: 'running', rule: given.rule, started: given.startedAt, deadline: given.deadline, expires, digest },
      ...{ last: plan.last, count: plan.nodes.length, roots: JSON.stringify(plan.roots), reply: given.reply },
    }
    const begun = await results.ask(
      (store) => BEGIN(store, [flowKey(flow)], expires, ...Object.entries(fields).flat()),
      STORE_MS,
    )
    return begun === 1 ? undefined : this.look(flow)
  }

  async look(flow: string): Promise<FlowRecord | undefined> {
    const values = await this.results.ask((store) => store.hmget(flowKey(flow), ...RECORD), STORE_MS)
    return recordOf(Object.fromEntries(RECORD.map((name, at) => [name, values[at] ?? ''])))
  }

  /** Whether there was ever a flow, for all that the store knows. */
  async any(): Promise<boolean> {
    return (await this.results.ask((store) => store.exists(flowsKey(this.vhost)))) > 0
  }

  /** Undefined when the store knows no such flow, or no such node. */
  async note(flow: string, node: number, gather: number | undefined, end: MemberEnd): Promise<Noted | undefined> {
    const place = gather === undefined ? flowKey(flow) : flowGatherKey(flow, gather)
    const keys = [flowKey(flow), place, flowEventsKey(flow)]
    const encoded = encodeEnd(end)
    // A result is not repeated there.
    const told = end.kind === 'failed' ? encoded : encoded.slice(0, 1)
    const field = gather === undefined ? `d${node}` : String(node)
    const answer = await this.results.ask((store) => NOTE(store, keys, node, field, encoded, told, Date.now()))
    const [state, wasTold, rule, held, ended, json] = answer as [FlowState, string, FlowRule, string, number, string]
    if (state === undefined) return undefined
    return {
      ...{ state, rule, ended, told: wasTold === '1' },
      end: decodeEnd(held),
      node: JSON.parse(json) as PlanNode,
    }
  }

  /** Which of these nodes are not noted as sent. */
  async unsent(flow: string, nodes: readonly number[]): Promise<number[]> {
    const marks = await this.#chunked(nodes, (store, some) => store.hmget(flowSentKey(flow), ...some.map(String)))
    return nodes.filter((_, index) => marks[index] === null)
  }

  /** Notes nodes as sent. Returns the flow's state. */
  async sent(flow: string, nodes: readonly number[]): Promise<FlowState | undefined> {
    const keys = [flowKey(flow), flowSentKey(flow), flowEventsKey(flow)]
    const state = await this.results.ask((store) => SENT(store, keys, Date.now(), ...nodes))
    return (state as FlowState | null) ?? undefined
  }

  async nodes(flow: string, numbers: readonly number[]): Promise<readonly (PlanNode | undefined)[]> {
    const texts = await this.#chunked(numbers, (store, some) =>
      store.hmget(flowKey(flow), ...some.map((node) => `p${node}`)),
    )
    return texts.map((text) => (text === null ? undefined : (JSON.parse(text) as PlanNode)))
  }

  /** The steps' own inputs, as JSON. */
  async inputs(flow: string, numbers: readonly number[]): Promise<readonly (string | null)[]> {
    return this.#chunked(numbers, (store, some) => store.hmget(flowInputsKey(flow), ...some.map(String)))
  }

  async endOf(flow: string, number: number, { up }: PlanNode): Promise<MemberEnd | undefined> {
    const [key, field] = up === undefined ? [flowKey(flow), `d${number}`] : [flowGatherKey(flow, up[0]), String(number)]
    const text = await this.results.ask((store) => store.hget(key, field))
    return text === null ? undefined : decodeEnd(text)
  }

  async gathered(flow: string, gather: number): Promise<ReadonlyMap<number, MemberEnd>> {
    const fields = await this.results.ask((store) => store.hgetall(flowGatherKey(flow, gather)), STORE_MS)
    return new Map(Object.entries(fields).map(([node, text]) => [Number(node), decodeEnd(text)]))
  }

  /** Ends a flow that runs, and returns how it ended, then or before. */
  async end(
    flow: string,
    state: FlowState,
    end: FlowEnd,
  ): Promise<{ readonly state: FlowState; readonly end: FlowEnd; readonly told: boolean } | undefined> {
    const keys = [flowKey(flow), flowEventsKey(flow)]
    const answer = await this.results.ask((store) => END(store, keys, state, JSON.stringify(end)))
    const [held, text, told] = answer as [FlowState, string, string]
    return held === undefined ? undefined : { state: held, end: JSON.parse(text) as FlowEnd, told: told === '1' }
  }

  /** Those who wait know how it ended. Returns whether this is the first to note so. */
  async told(flow: string): Promise<boolean> {
    return (await this.results.ask((store) => store.hset(flowKey(flow), 'told', '1'))) === 1
  }

  async visited(flow: string, visit: number): Promise<void> {
    await this.results.ask((store) => store.hset(flowKey(flow), 'visit', visit))
  }

  /** The last visit of a token that was carried out. */
  async visit(flow: string): Promise<number> {
    return Number((await this.results.ask((store) => store.hget(flowKey(flow), 'visit'))) ?? -1)
  }

  /** Undefined when the store knows no such flow. */
  async whole(flow: string): Promise<WholeFlow | undefined> {
    const [fields, sent] = await this.results.ask(
      (store) => Promise.all([store.hgetall(flowKey(flow)), store.hkeys(flowSentKey(flow))]),
      STORE_MS,
    )
    const record = recordOf(fields)
    if (record === undefined) return undefined
    const nodes = Array.from({ length: record.count }, (_, node) => JSON.parse(fields[`p${node}`] ?? '{}') as PlanNode)
    const ends = new Map<number, MemberEnd>()
    const gathers: number[] = []
    for (const [number, { of, up }] of nodes.entries()) {
      if (of !== undefined && of.length > 0) gathers.push(number)
      const text = up === undefined ? fields[`d${number}`] : undefined
      if (text !== undefined) ends.set(number, decodeEnd(text))
    }
    for (let index = 0; index < gathers.length; index += CHUNK) {
      const some = gathers.slice(index, index + CHUNK)
      const all = await Promise.all(some.map((gather) => this.gathered(flow, gather)))
      for (const each of all) for (const [number, end] of each) ends.set(number, end)
    }
    return { record, nodes, ends, sent: new Set(sent.map(Number)) }
  }

  async #write(key: string, fields: readonly (readonly [string, string])[], expires: number): Promise<void> {
    for (let index = 0; index < fields.length; index += CHUNK) {
      const some = fields.slice(index, index + CHUNK).flat()
      await this.results.ask(
        (store) => Promise.all([store.hset(key, ...some), store.pexpireat(key, expires)]),
        STORE_MS,
      )
    }
  }

  async #chunked<T>(
    numbers: readonly number[],
    ask: (store: Parameters<Parameters<Results['ask']>[0]>[0], some: readonly number[]) => Promise<readonly T[]>,
  ): Promise<T[]> {
    const found: T[] = []
    for (let index = 0; index < numbers.length; index += CHUNK) {
      const some = numbers.slice(index, index + CHUNK)
      found.push(...(await this.results.ask((store) => ask(store, some), STORE_MS)))
    }
    return found
  }
}

/** Tells one plan from another. */
export function digestOf({ nodes, inputs }: FlowPlan, rule: FlowRule): string {
  return createHash('sha256')
    .update(JSON.stringify([rule, nodes, [...inputs]]))
    .digest('base64url')
}

export const memberName = (flow: string, number: number, { task }: Pick<PlanNode, 'task'>): FlowMemberName => ({
  id: flowMemberId(flow, number),
  task: task ?? '',
})

function recordOf(fields: Readonly<Record<string, string>>): FlowRecord | undefined {
  const { state, told, rule, started, deadline, last, count, roots, reply = '', digest = '', end } = fields
  if (state === undefined || state === '') return undefined
  return {
    ...{ state: state as FlowState, rule: rule as FlowRule, reply, digest, told: told === '1' },
    ...{ startedAt: Number(started), deadline: Number(deadline), last: Number(last), count: Number(count) },
    roots: JSON.parse(roots || '[]') as number[],
    end: end === undefined || end === '' ? undefined : (JSON.parse(end) as FlowEnd),
  }
}

/**
 * A member of a flow that a Python worker runs: Celery's own callbacks say that it has ended. Each member's message carries
 * them; Warren's workers settle their members themselves and pass them by. Pure.
 */
import { MessageError } from '../errors/index.js'
import type { Canvas, Signature } from '../wire/canvas.js'
import { queueKey } from '../wire/delayedKey.js'
import type { Envelope } from '../wire/envelope.js'
import { FLOW_ID } from '../wire/flowMark.js'
import { isCount } from '../wire/headerValues.js'
import { DELAY_DUE, FLOW_FAILED, FLOW_SUCCEEDED, FLOWS_QUEUE } from '../wire/names.js'

/** A member that ended in a Python worker. */
export interface CeleryEnd {
  readonly flow: string
  readonly node: number
  readonly gather: number | undefined
  /** What it returned; undefined when it failed. */
  readonly result: { readonly value: unknown } | undefined
}

/** What a member's message carries. */
export function celeryLink(flow: string, node: number, gather: number | undefined): Canvas {
  const link = (task: string): readonly Signature[] => [
    {
      ...{ task, args: [flow, node, gather ?? null], kwargs: {}, subtask_type: null, immutable: false },
      // Without `declare` Celery would declare the application's default queue first.
      options: { exchange: DELAY_DUE, routing_key: queueKey(FLOWS_QUEUE), declare: [], ignore_result: true },
    },
  ]
  return {
    ...{
      callbacks: link(FLOW_SUCCEEDED),
      errbacks: link(FLOW_FAILED),
      chain: [],
      chord: undefined,
      refused: undefined,
    },
  }
}

/** Undefined for what is no such message. Throws a `MessageError` for one that lacks a part. */
export function celeryEndOf(envelope: Envelope | undefined): CeleryEnd | undefined {
  const { task, args = [] } = envelope ?? {}
  if (task !== FLOW_SUCCEEDED && task !== FLOW_FAILED) return undefined
  const [value, flow, node, gather] = args
  const fits = typeof flow === 'string' && FLOW_ID.test(flow) && isCount(node) && (gather === null || isCount(gather))
  if (!fits) throw new MessageError(`Expected ${task} to name a member of a flow`)
  return { flow, node, gather: gather ?? undefined, result: task === FLOW_SUCCEEDED ? { value } : undefined }
}

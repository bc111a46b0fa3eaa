/** The verdict: passed, or failed with each reason in words. Nothing is softened, and a drill without load has failed. */
import type { Drill, Evidence } from './drill.js'
import { QUEUE_KEYS } from './timeline.js'

export type Verdict = 'passed' | 'failed' | 'skipped'

export const DEFAULT_RECOVER_WITHIN_MS = 30_000

export interface Judgement {
  readonly verdict: Verdict
  readonly reasons: readonly string[]
}

export function judge(drill: Drill, evidence: Evidence, surprises: readonly string[]): Judgement {
  const reasons = [...broken(drill, evidence), ...surprises]
  return { verdict: reasons.length === 0 ? 'passed' : 'failed', reasons }
}

function broken(drill: Drill, evidence: Evidence): string[] {
  const { counts, ledger } = evidence
  const reasons: string[] = []
  if (counts.confirmed === 0) reasons.push('no message was confirmed, so the drill shows nothing')
  if (counts.lost > 0) reasons.push(`${messages(counts.lost)} lost: confirmed, and neither stored nor dead-lettered`)
  if (counts.unsettled > 0) reasons.push(`${messages(counts.unsettled)} still not settled when time was up`)
  if (counts.open > 0) reasons.push(`${messages(counts.open)} sent without ever reporting an end`)
  if (counts.unexpected > 0) reasons.push(`${messages(counts.unexpected)} ran without having been sent`)
  if (counts.afterStored > 0) reasons.push(`${messages(counts.afterStored)} ran again after the result was stored`)
  const expected = drill.deadLetters === 'expired' ? counts.expiredAccounts : 0
  if (counts.deadLettered > expected && drill.deadLetters !== 'allowed') {
    const why = Object.entries(counts.deadLetterReasons).map(([reason, count]) => `${count} ${reason}`)
    reasons.push(`${messages(counts.deadLettered)} dead-lettered (${why.join(', ')})`)
  }
  if (counts.lost + counts.unsettled + counts.unexpected > 0) {
    reasons.push(...ledger.examples().map((example) => `for example ${example}`))
  }
  const limit = drill.recoverWithinMs === undefined ? DEFAULT_RECOVER_WITHIN_MS : drill.recoverWithinMs
  if (limit !== null) {
    const took = recovery(evidence)
    if (took === undefined) reasons.push('the rates never recovered')
    else if (took > limit) reasons.push(`back to normal only after ${seconds(took)}, expected within ${seconds(limit)}`)
  }
  return [...reasons, ...(drill.check?.(evidence) ?? [])]
}

/** From the repair, or else from the fault, until all rates were normal and stayed so. */
export function recovery({ timeline, plan, from, to, faultAt, repairAt }: Evidence): number | undefined {
  return timeline.recoveredAfter(plan.ratePerQueue, repairAt ?? faultAt ?? from, to)
}

export interface Pauses {
  readonly confirmed: { readonly user: number; readonly payment: number }
  readonly finished: { readonly user: number; readonly payment: number }
}

/** The longest pauses in confirms and in finished tasks, by queue, in milliseconds. */
export function pauses({ timeline, from, to }: Evidence): Pauses {
  const of = (flow: 'confirmed' | 'finished') => {
    const [user = 0, payment = 0] = QUEUE_KEYS.map((queue) => timeline.longestPause(flow, queue, from, to).ms)
    return { user, payment }
  }
  return { confirmed: of('confirmed'), finished: of('finished') }
}

export const seconds = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)
export const messages = (count: number): string => `${count} ${count === 1 ? 'message' : 'messages'}`

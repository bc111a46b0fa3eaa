/** What a store says when it answers and does not store, and what to do about it. */
import { textOf } from '../errors/index.js'

export interface Refusal {
  /** What to do, and what the store said. */
  readonly text: string
  /** Whether it may end without a change to the configuration. */
  readonly retryable: boolean
}

/** Within a script Redis 6 puts its answer behind `ERR Error running script`, so the word may stand anywhere. */
const KNOWN: readonly { readonly says: RegExp; readonly remedy: string; readonly retryable: boolean }[] = [
  {
    says: /\bNOPERM\b|user executing the script|no permissions/i,
    remedy: 'its user lacks a right; give it the keys, channels and commands of docs/guide/results.md',
    retryable: false,
  },
  {
    says: /\bREADONLY\b/,
    remedy: 'it is a replica; connect to the primary, or pass a client that finds it by Sentinels',
    retryable: true,
  },
  { says: /\bOOM\b/, remedy: 'its memory is full; raise maxmemory or make room', retryable: true },
  { says: /\bMISCONF\b/, remedy: 'it cannot write to its disk; see its log', retryable: true },
  { says: /\bNOREPLICAS\b/, remedy: 'it wants more replicas than it has (min-replicas-to-write)', retryable: true },
  { says: /\bLOADING\b|\bBUSY\b|\bMASTERDOWN\b/, remedy: 'wait until it is ready', retryable: true },
  { says: /\bCLUSTERDOWN\b/, remedy: 'its cluster does not serve all slots; repair the cluster', retryable: true },
  {
    says: /\bCROSSSLOT\b|\bMOVED\b|\bASK\b/,
    remedy: 'it is in cluster mode; pass results: new Cluster([…]) of iovalkey or ioredis instead of an address',
    retryable: false,
  },
  {
    says: /\bunknown command\b/i,
    remedy: 'it lacks a command that Warren needs; use Redis 6.2 or later',
    retryable: false,
  },
]

/** Undefined when the error is no answer of the store's: the connection failed. */
export function refusalOf(error: unknown): Refusal | undefined {
  const said = textOf(error)
  const known = KNOWN.find(({ says }) => says.test(said))
  if (known !== undefined) return { text: `${known.remedy} (it said: ${said})`, retryable: known.retryable }
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined
  return { text: `it said: ${said}`, retryable: true }
}

/** Whether the store accepts workers' writes, and is new enough. */
import { check, type Found } from '../check.js'
import { atLeast } from '../version.js'

const REMEDIES: readonly (readonly [RegExp, string, string])[] = [
  [
    /\bNOPERM\b|no permissions/i,
    'its user lacks a right',
    'ACL SETUSER with the keys, channels and commands of docs/guide/results.md',
  ],
  [/\bREADONLY\b/, 'it is a replica', 'Connect to the primary, or pass a client that finds it by Sentinels'],
  [/\bOOM\b/, 'its memory is full', 'Raise it with CONFIG SET maxmemory, or shorten resultTtlMs'],
  [/\bMISCONF\b/, 'it cannot write to its disk', 'Free its disk: its log says what failed'],
  [/\bNOREPLICAS\b/, 'it has fewer replicas than it wants', 'Bring its replicas back, or lower min-replicas-to-write'],
  [
    /\bCROSSSLOT\b|\bMOVED\b|\bASK\b|\bCLUSTERDOWN\b/,
    'it is in cluster mode',
    'Pass results: new Cluster([…]) of iovalkey or ioredis, instead of an address',
  ],
  [/\bLOADING\b|\bBUSY\b|\bMASTERDOWN\b/, 'it is not ready', 'Wait until it has read its data'],
]

export const storeWrites = check(
  'store-writes',
  "the store accepts workers' writes",
  ['store'],
  ({ store: { refusal, version, address, lastAppendOk, lastSnapshotOk } }): readonly Found[] => {
    const found: Found[] = []
    if (refusal !== undefined) {
      const [, reason, fix] = REMEDIES.find(([says]) => says.test(refusal.said)) ?? []
      found.push({
        severity: 'hurts',
        finding: `The store at ${address} refuses ${refusal.command}: ${reason === undefined ? '' : `${reason} `}(it said: ${refusal.said}).`,
        why: 'Workers hold every finished task until its result is stored; result() waits.',
        fix: fix ?? 'Its log and its configuration say why.',
      })
    } else if (!lastAppendOk || !lastSnapshotOk) {
      found.push({
        severity: 'hurts',
        finding: `The last write of the store at ${address} to its disk failed.`,
        why: 'If this continues, it stops accepting results, and a restart loses data that is not on disk.',
        fix: 'Free its disk, or correct the rights of its folder: its log says what failed.',
      })
    }
    if (!atLeast(version, 6, 2)) {
      found.push({
        severity: 'hurts',
        finding: `The store at ${address} has version ${version}.`,
        why: 'Warren needs commands of Redis 6.2.',
        fix: 'Upgrade to Valkey, or to Redis 6.2 or later.',
      })
    }
    return found
  },
)

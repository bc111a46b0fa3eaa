/** Whether the store drops results when it is full. */
import { check } from '../check.js'

export const storeEviction = check(
  'store-eviction',
  'the store refuses writes when it is full, and drops nothing',
  ['store'],
  ({ store: { policy, maxMemory, address } }) => {
    if (policy === undefined || policy === 'noeviction') return []
    const any = policy.startsWith('allkeys')
    const limited = maxMemory !== undefined && maxMemory > 0
    return [
      {
        severity: any && limited ? 'loses' : 'hurts',
        finding: `The store at ${address} evicts keys: maxmemory-policy is ${policy}${limited ? '' : ', and maxmemory is not limited yet'}.`,
        why: `${limited ? 'When it is full' : 'Once it has a limit and is full'} it drops results that callers wait for${any ? ', and schedules, pauses and cancellations' : ''}: result() waits in vain, and a redelivered finished task runs again.`,
        fix: 'CONFIG SET maxmemory-policy noeviction, and the same in its configuration file: a full store then refuses writes, and workers wait.',
      },
    ]
  },
)

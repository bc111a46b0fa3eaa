/** Policies that last as long as a drill does. All of them begin with the same word, and none outlives its drill. */
import { waitFor } from '../cluster/index.js'
import { type Management, queueName } from './broker.js'
import type { QueueKey } from './timeline.js'

const POLICY_PREFIX = 'drill-'

/** Changes a queue's policy until the drill is over. `change` is put over what the operator's policy says. */
export async function overridePolicy(
  management: Management,
  queue: QueueKey,
  change: Readonly<Record<string, string | number>>,
): Promise<void> {
  const name = queueName(queue)
  const { definition } = await management.request<{ definition: Record<string, unknown> }>(
    'GET',
    `/policies/%2F/${encodeURIComponent(name)}`,
  )
  await management.request('PUT', `/policies/%2F/${POLICY_PREFIX}${encodeURIComponent(name)}`, {
    pattern: `^${name.replaceAll('.', '\\.')}$`,
    'apply-to': 'queues',
    priority: 10,
    definition: { ...definition, ...change },
  })
  await waitFor(
    `the drill's policy on ${name}`,
    async () => {
      const { policy } = (await management.queue(queue)) as { policy?: string }
      return policy === `${POLICY_PREFIX}${name}` ? undefined : `the policy in force is ${policy}`
    },
    { timeoutMs: 15_000 },
  )
}

export async function dropPolicies(management: Management): Promise<void> {
  const policies = await management.request<{ name: string }[]>('GET', '/policies/%2F')
  for (const { name } of policies) {
    if (!name.startsWith(POLICY_PREFIX)) continue
    await management.request('DELETE', `/policies/%2F/${encodeURIComponent(name)}`)
  }
}

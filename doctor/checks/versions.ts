/** Whether the servers' versions are supported and agree with each other. */
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import type { TopologyFacts } from '../snapshot.js'
import { atLeast, parts } from '../version.js'

/**
 * The last day of RabbitMQ's community support, by line (https://www.rabbitmq.com/release-information). A line that is not
 * here and is newer than these is taken for supported.
 */
const SUPPORTED_UNTIL: Readonly<Record<string, string>> = {
  '4.1': '2026-01-31',
  '4.2': '2026-07-31',
}
const OLDEST_LISTED: readonly [number, number] = [4, 1]
const CURRENT = '4.3'

export const versions = check(
  'versions',
  'RabbitMQ is of a supported version, the same on all nodes',
  ['topology', 'cluster'],
  ({ topology, cluster }, { at }) => {
    const all = [...new Set(cluster.nodes.flatMap(({ version }) => version ?? []))].sort()
    if (all.length > 1) {
      return [
        {
          severity: 'hurts',
          finding: `The nodes run different versions of RabbitMQ: ${listed(all)}.`,
          why: "That should only happen during an upgrade: the newer version's feature flags stay off, and a node with the older version may not rejoin.",
          fix: 'Upgrade the rest, then rabbitmqctl enable_feature_flag all',
        },
      ]
    }
    return [...support(topology, at), ...faults(topology)]
  },
)

function support({ version }: TopologyFacts, at: string): Found[] {
  const [major, minor] = parts(version) ?? []
  if (major === undefined || minor === undefined) return []
  const until = SUPPORTED_UNTIL[`${major}.${minor}`]
  const isOld = major < OLDEST_LISTED[0] || (major === OLDEST_LISTED[0] && minor < OLDEST_LISTED[1])
  if (!isOld && (until === undefined || at.slice(0, 10) <= until)) return []
  return [
    {
      severity: 'note',
      finding: `RabbitMQ ${version} has no community support any more${until === undefined ? '' : ` since ${until}`}.`,
      why: 'Faults and security holes found in it are not fixed.',
      fix: `Upgrade to ${CURRENT}, one minor version at a time and with all feature flags on: docs/guide/compose.md has the steps.`,
    },
  ]
}

/** Faults in single releases that lose or delay dead letters. */
function faults({ version }: TopologyFacts): Found[] {
  if (!atLeast(version, 4, 3) || atLeast(version, 4, 3, 5)) return []
  return [
    {
      severity: 'hurts',
      finding: `RabbitMQ ${version} has known faults: in dead-lettering (fixed in 4.3.1 and 4.3.3), and in the routing of topics (fixed in 4.3.5).`,
      why: 'Dead letters may not be forwarded; the third fault lets a user bypass a topic permission.',
      fix: 'Upgrade to 4.3.5 or later.',
    },
  ]
}

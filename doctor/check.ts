/** A check: the parts of a snapshot that it needs, and the findings that it returns. Pure. */
import type { Finding, Report, Unknown } from './finding.js'
import type { Facts, Part, Seen, Setting, Snapshot } from './snapshot.js'

export interface Check {
  /** The name in a report, such as `dead-lettering`. */
  readonly name: string
  /** The checked condition, in one line. */
  readonly about: string
  readonly needs: readonly Part[]
  find(facts: Facts, setting: Setting): readonly Finding[]
}

/** The return type of a check's function; the check's name is added. */
export type Found = Omit<Finding, 'check'>

export function check<Needed extends Part>(
  name: string,
  about: string,
  needs: readonly Needed[],
  find: (facts: Pick<Facts, Needed> & Partial<Facts>, setting: Setting) => readonly Found[],
): Check {
  return {
    name,
    about,
    needs,
    find: (facts, setting) => find(facts, setting).map((found) => ({ check: name, ...found })),
  }
}

const isUnseen = (part: Seen<unknown>): part is Exclude<Seen<unknown>, { seen: unknown }> => 'unseen' in part

/** The name of each part in a report of parts that could not be inspected. */
const PARTS: Readonly<Record<Part, string>> = {
  broker: 'the connection over AMQP',
  cluster: 'the nodes',
  virtualHost: 'whether the virtual host runs on each node',
  topology: 'queues, exchanges and bindings',
  policies: 'policies',
  user: "the service user's permissions",
  tasks: 'the time limits and queue types of tasks',
  store: 'the result store',
  nodeClocks: "the nodes' clocks",
  storeClock: "the store's clock",
}

/** Runs every check whose parts were all inspected. */
export function examine(snapshot: Snapshot, checks: readonly Check[]): Report {
  const facts = Object.fromEntries(
    (Object.keys(PARTS) as Part[]).flatMap((part) => ('seen' in snapshot[part] ? [[part, snapshot[part].seen]] : [])),
  ) as unknown as Facts
  const possible = checks.filter(({ needs }) => needs.every((part) => !isUnseen(snapshot[part])))
  const unknown = (Object.keys(PARTS) as Part[]).flatMap((part): Unknown[] => {
    const seen = snapshot[part]
    if (!isUnseen(seen)) return []
    const without = checks.filter(({ needs }) => needs.includes(part)).map(({ name }) => name)
    const { unseen: why, fix, optional = false } = seen
    return [{ what: PARTS[part], why, fix, checks: without, optional }]
  })
  return {
    at: snapshot.at,
    looked: snapshot.looked,
    findings: possible.flatMap((each) => each.find(facts, snapshot)),
    unknown,
    reached: isReached(snapshot),
    made: possible.map(({ name }) => name),
  }
}

function isReached({ broker, topology, cluster }: Snapshot): boolean {
  const connected = 'seen' in broker && broker.seen.addresses.some(({ problem }) => problem === undefined)
  return connected || 'seen' in topology || 'seen' in cluster
}

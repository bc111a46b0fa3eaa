/** Whether the clocks of this machine, the nodes and the store agree. Uncertain differences are not reported. */
import { check, type Found } from '../check.js'
import type { ClockFacts } from '../snapshot.js'

/** A message that is held by a worker before it is due is held for 1.5 s. */
const STORE_MS = 1_000
const NODE_MS = 3_000

const describe = ({ leastMs, mostMs }: ClockFacts): string => {
  const [from, to] = leastMs > 0 ? [leastMs, mostMs] : [-mostMs, -leastMs]
  return `between ${Math.round(from)} and ${Math.round(to)} ms ${leastMs > 0 ? 'ahead of' : 'behind'} this machine's`
}

/** The minimum difference. */
const apart = ({ leastMs, mostMs }: ClockFacts): number => Math.max(leastMs, -mostMs, 0)

const ntp = 'Run a time service (chrony, systemd-timesyncd) on all machines: chronyc tracking, or timedatectl.'

export const nodeClocks = check('node-clocks', "the nodes' clocks agree with this machine's", ['nodeClocks'], (facts) =>
  facts.nodeClocks
    .filter((each) => apart(each) > NODE_MS)
    .map(
      (each): Found => ({
        severity: 'hurts',
        finding: `The clock of ${each.whose} is ${describe(each)}.`,
        why: 'A time to live that begins on one node and ends on another is wrong by that much, and times in logs do not match.',
        fix: ntp,
      }),
    ),
)

export const storeClock = check(
  'store-clock',
  "the store's clock agrees with this machine's",
  ['storeClock'],
  (facts) =>
    facts.storeClock
      .filter((each) => apart(each) > STORE_MS)
      .map(
        (each): Found => ({
          severity: 'hurts',
          finding: `The clock of ${each.whose} is ${describe(each)}.`,
          why: 'Delays, expiry and schedules compare the clocks of senders, workers and the store: tasks run early or late, or count as expired.',
          fix: ntp,
        }),
      ),
)

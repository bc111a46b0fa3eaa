/** Faults of a worker process: killed, stopped, frozen. RabbitMQ hands what it held to the others. */
import type { Drill } from '../drill.js'

const VICTIM = 'worker-2'

export const killWorker: Drill = {
  name: 'kill-worker',
  does: 'Kills a worker with SIGKILL while it runs tasks.',
  holds: 'What it held is run by the others, and a new worker takes its place.',
  async fault({ drillCluster, mark, expectEnd, until }) {
    expectEnd(VICTIM)
    const { processes } = await drillCluster.cluster.status()
    const pid = processes.find(({ name }) => name === VICTIM)?.pid
    if (pid === undefined) throw new Error(`${VICTIM} has no process`)
    mark('fault', `Killed ${VICTIM} (SIGKILL)`)
    // From outside, as the kernel would when memory runs out: the launcher starts it again by itself.
    process.kill(pid, 'SIGKILL')
    await until(`a new ${VICTIM}`, () => stateIs(drillCluster, VICTIM, 'running', pid), 30_000)
  },
}

export const stopWorker: Drill = {
  name: 'stop-worker',
  does: 'Stops a worker with SIGTERM, waits until it has drained, and starts it again.',
  holds: 'It finishes what it held: no message is run twice.',
  async fault({ drillCluster, mark, hold }) {
    mark('fault', `Stopping ${VICTIM} (SIGTERM)`)
    await drillCluster.cluster.stopProcess(VICTIM)
    mark('seen', `${VICTIM} has drained and ended`)
    await hold(2_000)
    await drillCluster.cluster.startProcess(VICTIM)
    mark('repair', `Started ${VICTIM} again`)
  },
  check: ({ counts }) => (counts.duplicated > 0 ? [`${counts.duplicated} messages were run twice by a stop`] : []),
}

export const freezeWorker: Drill = {
  name: 'freeze-worker',
  does: 'Freezes a worker (SIGSTOP) for longer than RabbitMQ waits for heartbeats, then lets it go on.',
  holds: 'The others run what it held; what it finishes late undoes nothing.',
  async fault({ drillCluster, mark, hold }) {
    await drillCluster.cluster.freezeProcess(VICTIM)
    mark('fault', `Froze ${VICTIM} (SIGSTOP)`)
    // Two missed heartbeats of 10 s, and the time between two looks.
    await hold(27_000)
    await drillCluster.cluster.thawProcess(VICTIM)
    mark('repair', `${VICTIM} goes on (SIGCONT)`)
  },
}

export const scaleDown: Drill = {
  name: 'scale-down',
  does: 'Scales from four workers to one under load, and back.',
  holds: 'The workers that go finish what they hold: no message is run twice.',
  async fault({ drillCluster, mark, hold }) {
    mark('fault', 'Scaling down to one worker')
    await drillCluster.cluster.scale(1)
    mark('seen', 'One worker is left')
    await hold(4_000)
    await drillCluster.cluster.scale(4)
    mark('repair', 'Scaled up to four workers again')
  },
  check: ({ counts }) =>
    counts.duplicated > 0 ? [`${counts.duplicated} messages were run twice by scaling down`] : [],
}

async function stateIs(
  drillCluster: Parameters<Drill['fault']>[0]['drillCluster'],
  name: string,
  state: string,
  notPid: number,
): Promise<string | undefined> {
  const { processes } = await drillCluster.cluster.status()
  const found = processes.find((each) => each.name === name)
  return found?.state === state && found.pid !== notPid ? undefined : `${name} is ${found?.state ?? 'gone'}`
}

/** Faults of the producer's connection alone, by way of a proxy: silent for good, or cut. They need no process control. */
import { type Drill, pauseOf } from '../drill.js'
import { seconds } from '../verdict.js'

/** RabbitMQ and Warren take a peer for dead after two missed heartbeats. */
const HEARTBEAT_SECONDS = 3

export const halfOpen: Drill = {
  name: 'half-open',
  does: "Lets the producer's connection go silent without closing it, as a forgetful firewall does.",
  holds: 'Missed heartbeats tell; everything that was written into the void is sent again under the same id.',
  throughProxy: true,
  heartbeatSeconds: HEARTBEAT_SECONDS,
  anywhere: true,
  async fault({ proxy, mark, until, timeline }) {
    if (proxy === undefined) throw new Error('this drill needs a proxy')
    const before = proxy.accepted
    proxy.stall()
    mark('fault', "The producer's connection is silent from now on, and open")
    await until(
      'a new connection',
      () => (proxy.accepted > before ? undefined : 'the producer has not noticed'),
      40_000,
    )
    mark('repair', 'The producer gave the connection up and opened another')
    timeline.mark('phase', 'Waiting for normal rates')
  },
  check: ({ counts }) =>
    Object.entries(counts.refused).map(
      ([code, count]) => `${count} sends failed with ${code} instead of being sent again`,
    ),
  tell: (evidence) => [
    `With a heartbeat of ${HEARTBEAT_SECONDS} s the longest pause in confirms was ${seconds(pauseOf(evidence, 'confirmed', 'payment'))}.`,
  ],
}

export const cutConnection: Drill = {
  name: 'cut-connection',
  does: "Resets the producer's connection ten times, a second apart.",
  holds: 'It connects again at once, and sends again what was not confirmed.',
  throughProxy: true,
  anywhere: true,
  async fault({ proxy, mark, hold }) {
    if (proxy === undefined) throw new Error('this drill needs a proxy')
    mark('fault', "Resetting the producer's connection, ten times")
    for (let time = 0; time < 10; time++) {
      proxy.cut()
      await hold(1_000)
    }
    mark('repair', 'The connection is left alone')
  },
  check: ({ counts }) =>
    Object.entries(counts.refused).map(
      ([code, count]) => `${count} sends failed with ${code} instead of being sent again`,
    ),
}

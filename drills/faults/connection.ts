/** Faults of the producer's connection alone, by way of a proxy: silent for good, or cut. They need no process control. */
import { type Drill, pauseOf } from '../drill.js'
import { seconds } from '../verdict.js'

/** RabbitMQ and Warren take a peer for dead after two missed heartbeats. */
const HEARTBEAT_SECONDS = 3

export const halfOpen: Drill = {
  name: 'half-open',
  does: "Silences the producer's connection without closing it, as some firewalls do.",
  holds: 'Missed heartbeats reveal it; everything written in the meantime is sent again under the same id.',
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
    mark('repair', 'The producer abandoned the connection and opened another')
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
  holds: 'It reconnects at once, and sends unconfirmed messages again.',
  throughProxy: true,
  anywhere: true,
  async fault({ proxy, mark, hold }) {
    if (proxy === undefined) throw new Error('this drill needs a proxy')
    mark('fault', "Resetting the producer's connection, ten times")
    for (let time = 0; time < 10; time++) {
      proxy.cut()
      await hold(1_000)
    }
    mark('repair', 'No more resets')
  },
  check: ({ counts }) =>
    Object.entries(counts.refused).map(
      ([code, count]) => `${count} sends failed with ${code} instead of being sent again`,
    ),
}

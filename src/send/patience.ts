/**
 * How long a channel may leave messages unanswered before all messages in flight are published again on a new one.
 *
 * After a leader election a channel may wait forever for a confirm. After a lost connection it is worse: the lost node may have
 * led a quorum queue, and a channel opened before the other nodes have elected a leader keeps sending to the dead one. RabbitMQ
 * 3.10.8 refuses everything on that channel until the node is back; a channel opened later finds the new leader. So the first
 * channels after a loss get little time, which doubles each time.
 */

const STALL_MS = 10_000
const FRESH_STALL_MS = 300
/** A broker that is only slow gets more time to confirm. */
const FRESH_SILENCE_MS = 1_000
/** How often one message is refused before a new channel is tried. A full queue refuses too, and a new channel is cheap. */
const REFUSED_TIMES = 3

export class Patience {
  #stallMs = STALL_MS

  connectionLost(): void {
    this.#stallMs = FRESH_STALL_MS
  }

  channelRenewed(): void {
    this.#stallMs = Math.min(this.#stallMs * 2, STALL_MS)
  }

  /** The reason to replace the channel: its oldest message was written `silentMs` ago and not answered. */
  endsWithSilence(silentMs: number): string | undefined {
    const patienceMs = Math.max(this.#stallMs, FRESH_SILENCE_MS)
    return silentMs >= patienceMs ? `no confirm for ${patienceMs} ms` : undefined
  }

  /** Whether to replace a channel that is `ageMs` old: one message was refused `nacks` times. */
  endsWithRefusals(nacks: number, ageMs: number): boolean {
    return nacks >= REFUSED_TIMES && ageMs >= this.#stallMs
  }
}

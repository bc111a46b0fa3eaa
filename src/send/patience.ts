/**
 * How long a channel may leave messages unanswered before all that is in flight is published again on a new one.
 *
 * After a leader election a channel may wait for ever for a confirm. After a lost connection it is worse: its node may
 * have led a quorum queue, and a channel that is opened before the other nodes have elected a leader goes on sending to
 * the dead one. RabbitMQ 3.10.8 refuses all that comes through it until that node is back; a channel that is opened later
 * finds the new leader. So the first channels after a loss get little time, doubled each time.
 */

const STALL_MS = 10_000
const FRESH_STALL_MS = 300
/** A broker that is only slow is given more time to confirm. */
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

  /** Why the channel is to be replaced: its oldest message was written `silentMs` ago and not answered. */
  endsWithSilence(silentMs: number): string | undefined {
    const patienceMs = Math.max(this.#stallMs, FRESH_SILENCE_MS)
    return silentMs >= patienceMs ? `no confirm for ${patienceMs} ms` : undefined
  }

  /** Whether a channel that is `ageMs` old is to be replaced: one message was refused `nacks` times. */
  endsWithRefusals(nacks: number, ageMs: number): boolean {
    return nacks >= REFUSED_TIMES && ageMs >= this.#stallMs
  }
}

/**
 * How many tasks a message of a queue carries, and what that makes of a prefetch: AMQP's counts messages, and Warren's
 * estimates tasks.
 */

/** Weight of the newest message in the moving average. */
const WEIGHT = 0.1
/** Nearer to 1 than this it is 1. */
const NEAR = 0.05

export class MessageLoad {
  #mean: number
  #observed = false

  /** `expected`: what is assumed before the first message has come. */
  constructor(expected: number) {
    this.#mean = expected
  }

  get mean(): number {
    return this.#mean
  }

  observe(tasks: number): void {
    if (tasks === this.#mean) return
    const mean = this.#observed ? this.#mean + WEIGHT * (tasks - this.#mean) : tasks
    this.#observed = true
    this.#mean = mean < 1 + NEAR ? 1 : mean
  }

  /** The prefetch in messages for what is wanted in tasks, given what it is now. */
  messages(current: number, wanted: number): number {
    const messages = Math.max(1, Math.round(wanted / this.#mean))
    // How many tasks a message carries differs from one to the next, and each change costs a subscription.
    return messages >= 2 * current || 2 * messages <= current ? messages : current
  }

  /**
   * The same, and where one message carries more than is wanted, a second one if the first takes no more than a moment:
   * else the worker waits for the broker after each.
   */
  messagesInTurn(current: number, wanted: number): number {
    const messages = this.messages(current, wanted)
    if (messages > 2) return messages
    if (wanted > this.#mean / 2) return 2
    return wanted < this.#mean / 3 ? 1 : Math.min(current, 2)
  }
}

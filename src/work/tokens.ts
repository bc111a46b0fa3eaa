/** The tokens that a worker takes beside its tasks: those of its service's schedules, and those of flows. */
import { FlowTokens, type FlowTokensOptions } from './flowTokens.js'
import { Ticks, type TicksOptions } from './ticks.js'

export class Tokens {
  readonly #each: readonly [Ticks, FlowTokens]

  /** Does no I/O. */
  constructor(options: TicksOptions & FlowTokensOptions) {
    this.#each = [new Ticks(options), new FlowTokens(options)]
  }

  start(): void {
    for (const each of this.#each) each.start()
  }

  /** Safe unstarted. */
  async stop(): Promise<void> {
    await Promise.all(this.#each.map((each) => each.stop()))
  }
}

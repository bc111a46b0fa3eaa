/** The console's own connection to the broker and the store: opened when it is first needed, and kept. */

import { connect, defineTask, type StoredResult, type Warren } from 'warren'
import { z } from 'zod'
import type { ConsoleSettings } from './options.js'

/** Results are kept by id alone: which task they are read as does not matter. */
const anyTask = defineTask({ name: 'console.result.read', input: z.unknown() })

export class Library {
  readonly #settings: ConsoleSettings
  #opening: Promise<Warren> | undefined

  constructor(settings: ConsoleSettings) {
    this.#settings = settings
  }

  /** Rejects as `connect` does; the next call tries again. */
  async open(): Promise<Warren> {
    const { broker, results } = this.#settings
    this.#opening ??= connect({
      broker: [...broker],
      ...(results === undefined ? {} : { results }),
      name: 'warren console',
      logger: false,
    })
    const opening = this.#opening
    try {
      return await opening
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined
      throw error
    }
  }

  /** What the store holds of a task; undefined when it holds nothing. */
  async state(id: string): Promise<StoredResult | undefined> {
    return (await this.open()).handle(anyTask, id).state()
  }

  async close(): Promise<void> {
    const warren = await this.#opening?.catch(() => undefined)
    await warren?.close()
  }
}

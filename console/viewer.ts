/**
 * One page that looks on: what is to be sent to it, until its connection takes it. Of the moments it needs the last one
 * only, so that a slow page falls behind by leaving some out. When the rest piles up, it is cut off: it comes back and
 * begins anew.
 */
export interface Message {
  readonly event: string
  readonly data: string
}

const MAX_WAITING = 500

export class Viewer {
  readonly #waiting: Message[] = []
  #moment: Message | undefined
  #wake: (() => void) | undefined
  #over = false

  get over(): boolean {
    return this.#over
  }

  push(message: Message): void {
    if (this.#over) return
    if (message.event === 'moment') this.#moment = message
    else if (this.#waiting.push(message) > MAX_WAITING) this.#over = true
    this.#wake?.()
  }

  end(): void {
    this.#over = true
    this.#wake?.()
  }

  /** What there is to send; waits until there is something. Nothing once it is over. */
  async take(): Promise<Message[]> {
    if (!this.#over && this.#waiting.length === 0 && this.#moment === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    if (this.#over) return []
    const messages = [...this.#waiting.splice(0), ...(this.#moment === undefined ? [] : [this.#moment])]
    this.#moment = undefined
    return messages
  }
}

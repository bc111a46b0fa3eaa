/** What a fake is told to answer, and what it was asked. */

/** Called with the arguments of the call; what it returns or throws is the answer. */
export type Answer = (...args: never[]) => unknown

/** One call that a fake got. */
export interface Call {
  readonly method: string
  readonly args: readonly unknown[]
}

/** No answer, ever. On a channel it still rejects when the channel or its connection dies, as amqplib does. */
export const never: Answer = () => new Promise(() => undefined)

/** Rejects. */
export const refused =
  (error: unknown): Answer =>
  () => {
    throw error
  }

/** The broker answers a call by closing its channel: `closed(406, "PRECONDITION_FAILED - inequivalent arg …")`. */
export const closed = (code: number, text: string): Answer => refused(new ChannelClosed(code, text))

export class ChannelClosed extends Error {
  readonly code: number
  constructor(code: number, text: string) {
    super(text)
    this.code = code
  }
}

/** Answers late: every call waits until `release`, then gets what `answer` says. */
export function held(answer: Answer = () => undefined): Answer & { release(): void } {
  let open: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  return Object.assign(async (...args: never[]) => gate.then(() => answer(...args)), { release: () => open() })
}

export class Script<Method extends string> {
  readonly calls: Call[] = []
  readonly #answers = new Map<string, Answer[]>()

  /** Says what `method` answers from now on: one after the other, and the last one for good. None: the usual answer. */
  answer(method: Method, ...answers: readonly Answer[]): void {
    this.#answers.set(method, [...answers])
  }

  /** The arguments of every call of `method`, oldest first. */
  asked(method: Method): (readonly unknown[])[] {
    return this.calls.filter((call) => call.method === method).map(({ args }) => args)
  }

  /** For fakes: notes a call, and returns the answer that is next for it. */
  next(method: Method, args: readonly unknown[], usual: Answer): unknown {
    this.calls.push({ method, args })
    const answers = this.#answers.get(method) ?? []
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? usual
    return answer(...(args as never[]))
  }
}

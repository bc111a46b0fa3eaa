/** Fuzzing: what is generated, what it is sent to, and what is searched for when something breaks. */
import fc from 'fast-check'
import { Live, type LiveOptions } from './live.js'
import { type FuzzMessage, message } from './messages.js'
import { printed, shrink, simplerMessages } from './shrink.js'

export { fuzzTasks, SERVICE } from './live.js'
export { fuzzResults } from './results.js'

export interface FuzzOptions extends LiveOptions {
  readonly seed: number
  readonly messages: number
  readonly batch: number
  readonly say: (line: string) => void
}

export interface FuzzReport {
  readonly sent: number
  readonly endings: ReadonlyMap<string, number>
  /** What broke first, in sentences; none when nothing did. */
  readonly problems: readonly string[]
  /** The least that breaks it, printed. */
  readonly least: string | undefined
}

/** The same seed makes the same messages, but for instants that are near now. */
export const batchOf = (seed: number, number: number, size: number): FuzzMessage[] =>
  fc.sample(message, { seed: (seed * 1_000_003 + number) | 0, numRuns: size })

/** Sends until all are sent or something breaks, which is shrunk then. */
export async function fuzzMessages({ seed, messages, batch, say, ...target }: FuzzOptions): Promise<FuzzReport> {
  const live = await Live.open(target)
  try {
    for (let number = 0; live.sent < messages; number++) {
      const all = batchOf(seed, number, Math.min(batch, messages - live.sent))
      const problems = await live.run(all)
      const { sent, endings } = live
      if (problems.length > 0) {
        say(`batch ${number} broke something: ${problems.slice(0, 3).join('; ')}; shrinking`)
        const breaks = async (some: readonly FuzzMessage[]) => (await live.run(some)).length > 0
        const least = await shrink(all, simplerMessages, breaks)
        return { sent, endings: new Map(endings), problems, least: printed(least) }
      }
      say(`${sent} of ${messages} messages sent and ended`)
    }
    return { sent: live.sent, endings: live.endings, problems: [], least: undefined }
  } finally {
    await live.close()
  }
}

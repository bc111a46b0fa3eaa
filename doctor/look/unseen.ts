/** Parts of a snapshot that were not seen, and why. */
import type { Seen } from '../snapshot.js'

export type Unseen = Exclude<Seen<unknown>, { seen: unknown }>

/** What keeps a part from being seen, thrown by whoever reads it. */
export class CannotSee extends Error {
  readonly fix: string

  constructor(why: string, fix: string, cause?: unknown) {
    super(why, { cause })
    this.name = 'CannotSee'
    this.fix = fix
  }
}

/** What `read` resolves with, or why it did not. Anything but a {@link CannotSee} is a fault of the doctor's. */
export async function seen<T>(read: () => Promise<T>): Promise<Seen<T>> {
  try {
    return { seen: await read() }
  } catch (error) {
    if (!(error instanceof CannotSee)) throw error
    return { unseen: error.message, fix: error.fix }
  }
}

export const notAsked = (why: string, fix: string): Unseen => ({ unseen: why, fix, optional: true })

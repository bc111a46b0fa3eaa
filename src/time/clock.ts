/** The clock by which messages are due and expire. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
}

/** This machine's own. */
export const localClock: Clock = { now: () => Date.now() }

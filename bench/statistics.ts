/** Numbers out of rounds. Pure. */

/** A list's middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which a share `q` of the values lies, by linear interpolation. NaN of an empty list. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * q
  const low = sorted[Math.floor(place)] ?? Number.NaN
  const high = sorted[Math.ceil(place)] ?? Number.NaN
  return low + (high - low) * (place - Math.floor(place))
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/**
 * How one series compares with another, round by round: what disturbed one round disturbed both of its figures, so the
 * ratio within a round says more than the ratio of the medians.
 */
export function ratios(values: readonly number[], others: readonly number[]): number[] {
  const rounds = Math.min(values.length, others.length)
  return Array.from({ length: rounds }, (_, round) => (values[round] as number) / (others[round] as number))
}

/** Every contender once in each round, in an order that turns around: A B B A. */
export function* interleaved<Contender>(
  rounds: number,
  contenders: readonly Contender[],
): Generator<{ readonly round: number; readonly contender: Contender }> {
  for (let round = 1; round <= rounds; round++) {
    for (const contender of round % 2 === 1 ? contenders : contenders.toReversed()) yield { round, contender }
  }
}

export const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0)

/** Undefined when one of them is: a part of a sum is not the sum. */
export const wholeSum = (values: readonly (number | undefined)[]): number | undefined =>
  values.includes(undefined) ? undefined : sum(values as readonly number[])

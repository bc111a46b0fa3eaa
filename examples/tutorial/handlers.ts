/** What the tasks do: plain functions, so that a test can call them. */
import { type HandlerOf, Reject } from 'warren'
import type { makeReport, sumUp } from './tasks.js'

/** Stands in for a shop's orders. */
export const shop = {
  down: false,
  async orders(month: string): Promise<number[]> {
    if (this.down) throw new Error('the shop does not answer')
    return month < '2020-01' ? [] : [1_200, 3_400, 5_600]
  },
}

export const report: HandlerOf<typeof makeReport> = async ({ month }, { progress, signal }) => {
  const orders = await shop.orders(month) // when it throws, the attempt is retried
  if (orders.length === 0) throw new Reject(`there were no orders in ${month}`) // not retried
  let total = 0
  for (const [index, cents] of orders.entries()) {
    signal.throwIfAborted() // its time limit, or somebody cancelled it
    total += cents
    await progress({ done: index + 1, of: orders.length })
  }
  return { month, orders: orders.length, total }
}

export const sum: HandlerOf<typeof sumUp> = ({ year, reports }) => ({
  year,
  total: reports.reduce((cents, { total }) => cents + total, 0),
})

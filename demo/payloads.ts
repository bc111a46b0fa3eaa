/** Invented people and amounts for the demo's tasks, varied enough to look realistic. */
import type { TaskInput } from 'warren'
import type { createAccount, createInvoice } from './tasks.js'

const FIRST = ['Ada', 'Björn', 'Chidi', 'Dilnaz', 'Émile', 'Fatou', 'Grace', 'Hiro', 'Inês', 'Jun', 'Katya', 'Lien']
const LAST = ['Adeyemi', 'Bauer', 'Costa', 'Dubois', 'Eriksson', 'Fischer', 'García', 'Haddad', 'Ito', 'Jansen', 'Kaya']
const COMPANIES = ['Alder & Co', 'Blue Heron', 'Cobalt Tools', 'Dune Press', 'East Pier', 'Fernhill', 'Granite Works']

const pick = (list: readonly string[], index: number): string => list[index % list.length] ?? ''

/** ASCII letters only, for an address. */
const plain = (name: string): string =>
  name
    .normalize('NFD')
    .replaceAll(/[^A-Za-z]/g, '')
    .toLowerCase()

export function accountInput(index: number, seconds: number): TaskInput<typeof createAccount> {
  const first = pick(FIRST, index)
  const last = pick(LAST, Math.floor(index / FIRST.length) + index)
  return { name: `${first} ${last}`, email: `${plain(first)}.${plain(last)}.${index}@example.com`, seconds }
}

export function invoiceInput(index: number, seconds: number): TaskInput<typeof createInvoice> {
  return {
    customer: `${pick(COMPANIES, index)} #${1000 + (index % 9000)}`,
    // 7919 is prime: amounts from 5.00 to 999.99 in no visible order.
    amountCents: 500 + ((index * 7919) % 99_500),
    seconds,
  }
}

/** How long each task takes: always `mean`, or at random and uniformly from 0 to twice `mean`. */
export function durations(mean: number, random: boolean, source: () => number = Math.random): () => number {
  // Rounded to whole milliseconds: what a timer can do, and short on the wire. 3,600 s is the most that a task takes.
  return random ? () => Math.min(3600, Math.round(source() * 2 * mean * 1000) / 1000) : () => mean
}

import type { Task, Warren } from 'warren'

export { chain, graph, step } from 'warren'
export declare const warren: Warren
export declare const customers: string[]
export declare const id: string
export declare const loadCustomer: Task<{ id: string }, { id: string }, { orders: number }, { orders: number }>
export declare const score: Task<{ orders: number }, { orders: number }, { score: number }, { score: number }>
export declare const writeReport: Task<{ title: string; scores: { score: number }[] }>

export declare const reserve: Task<{ id: string }, { id: string }, string[], string[]>
interface Invoicing {
  note: string
  customer: { orders: number }
  items: string[]
}
export declare const makeInvoice: Task<Invoicing, Invoicing, { number: string }, { number: string }>
export declare const sendMail: Task<{ invoice: { number: string } }>

export declare const load: Task<{ id: string }, { id: string }, { orders: number }, { orders: number }>
export declare const pythonScore: Task<
  { customer: { orders: number } },
  { customer: { orders: number } },
  number,
  number
>
export declare const save: Task<{ score: number }>

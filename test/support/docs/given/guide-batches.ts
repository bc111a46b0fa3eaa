import type { Task, Worker } from 'warren'

export declare const worker: Worker
export declare const indexDocument: Task<Document, Document, { id: string }, { id: string }>
export declare const search: { bulk(documents: Document[]): Promise<{ error?: string; id: string }[]> }

interface Document {
  readonly text: string
}

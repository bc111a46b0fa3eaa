/** Where tasks are looked for: one door, whatever keeps them. */
import type { Excerpt } from './text.js'

export interface TaskItem {
  readonly id: string
  /** In Celery's words. */
  readonly status: string
  readonly task?: string
  readonly queue?: string
  readonly attempt?: number
  readonly worker?: string
  /** ISO 8601 in UTC. */
  readonly queuedAt?: string
  readonly startedAt?: string
  readonly doneAt?: string
  readonly result?: Excerpt
  readonly error?: { readonly errorClass: string; readonly message: Excerpt }
}

/** The page's words for states. */
export const STATES = {
  running: ['STARTED', 'PROGRESS'],
  retrying: ['RETRY'],
  done: ['SUCCESS'],
  failed: ['FAILURE'],
  cancelled: ['REVOKED'],
} as const satisfies Readonly<Record<string, readonly string[]>>
export type StateWord = keyof typeof STATES
export const isState = (word: string): word is StateWord => word in STATES && Object.hasOwn(STATES, word)

export interface TaskSearch {
  readonly state?: StateWord
  readonly task?: string
  readonly queue?: string
  readonly worker?: string
  /** In its id, its task's name or its error. */
  readonly q?: string
  /** Milliseconds since 1970. */
  readonly since?: number
  readonly until?: number
  readonly size: number
  /** Where the page before ended. */
  readonly after?: string
}

export interface TasksFound {
  /** The latest first. */
  readonly items: readonly TaskItem[]
  /** For the page after this; undefined at the end. */
  readonly next?: string
  /** `history`: what the store keeps; `sample`: what the console has seen since it started. */
  readonly source: 'history' | 'sample'
  /** Less than a page was found so far: all that is newer than this instant was looked at. ISO 8601. */
  readonly searchedTo?: string
}

export interface TaskHistory {
  find(search: TaskSearch): Promise<TasksFound>
}

/** The fake result store: what workers and handles ask of `Results`, kept in a map. */
import { EventEmitter } from 'node:events'
import type { Results } from '../../../src/results/store.js'
import { Script } from './script.js'

/** The methods of `Results`, so that one which goes away is noticed here. */
type Methods = { [Key in keyof Results]: Results[Key] extends (...args: never[]) => Promise<unknown> ? Key : never }
export type StoreMethod = Exclude<Methods[keyof Results], undefined>

export class FakeStore extends EventEmitter {
  readonly script = new Script<StoreMethod>()
  /** What was stored, as it was encoded, by task id; the last word. */
  readonly stored = new Map<string, string>()
  readonly address = 'redis://store.test:6379'
  available = true
  readonly #counts = new Map<string, number>()
  readonly #marked = new Set<string>()

  /** See {@link Script.answer}: `store.answer('get', never)`. */
  answer: Script<StoreMethod>['answer'] = (method, ...answers) => this.script.answer(method, ...answers)
  /** See {@link Script.asked}. */
  asked: Script<StoreMethod>['asked'] = (method) => this.script.asked(method)

  asResults(): Results {
    return this as unknown as Results
  }

  setAvailable(available: boolean, reason?: string): void {
    this.available = available
    this.emit('storeState', { state: available ? 'available' : 'unavailable', address: this.address, reason })
  }

  store = (speaker: { id: string }, encoded: string, ...rest: unknown[]) =>
    this.#ask('store', [speaker, encoded, ...rest], () => {
      this.stored.set(speaker.id, encoded)
      return 'stored'
    })
  append = (of: { id: string }, entry: string) => this.#ask('append', [of, entry], () => undefined)
  /** By default there is no result of anything. */
  get = (id: string) => this.#ask('get', [id], () => undefined)
  wait = (...args: unknown[]) => this.#ask('wait', args, () => new Promise(() => undefined))
  countRedelivery = (queue: string, id: string) =>
    this.#ask('countRedelivery', [queue, id], () => {
      const count = (this.#counts.get(`${queue} ${id}`) ?? 0) + 1
      this.#counts.set(`${queue} ${id}`, count)
      return count
    })
  /** By default no key is there. */
  ask = (act: unknown) => this.#ask('ask', [act], () => null)
  time = () => this.#ask('time', [], () => Date.now())
  begin = (id: string, run: number) => this.#ask('begin', [id, run], () => undefined)
  marked = (ids: readonly string[]) => this.#ask('marked', [ids], () => ids.filter((id) => this.#marked.has(id)))
  mark = (id: string) => this.#ask('mark', [id], () => void this.#marked.add(id))
  unmark = (id: string) => this.#ask('unmark', [id], () => void this.#marked.delete(id))
  open = async (): Promise<void> => undefined
  close = (): void => undefined

  async #ask(method: StoreMethod, args: readonly unknown[], usual: () => unknown): Promise<unknown> {
    return this.script.next(method, args, usual)
  }
}

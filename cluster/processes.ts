import { didYouMean } from 'warren'
import { ClusterError } from './errors.js'
import { ManagedProcess } from './managedProcess.js'
import type { ProcessChange, ProcessDefinition } from './processDefinition.js'
import type { WorkerPool } from './workerPool.js'

/** All processes of one cluster by name, and the order in which they end. It owns the list; each process owns itself. */
export class Processes {
  readonly #onChange: (change: ProcessChange) => void
  /** In the order of their start; workers apart. */
  #servers: ManagedProcess[] = []
  workers: WorkerPool | undefined

  constructor(onChange: (change: ProcessChange) => void) {
    this.#onChange = onChange
  }

  add(definition: ProcessDefinition): ManagedProcess {
    const process = new ManagedProcess(definition)
    process.on('state', this.#onChange)
    this.#servers.push(process)
    return process
  }

  all(): ManagedProcess[] {
    return [...this.#servers, ...(this.workers?.processes ?? [])]
  }

  names(): string[] {
    return this.all().map(({ name }) => name)
  }

  find(name: string): ManagedProcess {
    const found = this.all().find((each) => each.name === name)
    if (found) return found
    const names = this.names()
    const known = names.length === 0 ? 'the cluster is stopped' : `there are ${names.join(', ')}`
    throw new ClusterError('UNKNOWN_PROCESS', `No process is called ${name}${didYouMean(name, names)} (${known})`)
  }

  /** Ends all of them in the reverse order of their start. Safe to call twice. */
  async end(): Promise<void> {
    const ofKind = (...kinds: string[]) => this.#servers.filter((each) => kinds.includes(each.status().kind))
    const end = (list: ManagedProcess[]) => Promise.all(list.map((each) => each.stop()))
    await Promise.all([this.workers?.stop(), end(ofKind('console'))])
    // Sentinels before the store: they would take its end for a fault.
    await end(ofKind('prometheus', 'haproxy', 'sentinel'))
    await end(ofKind('store', 'rabbitmq'))
    await end(ofKind('epmd'))
  }

  /** After {@link end}: a start creates all of them again. */
  forget(): void {
    this.#servers = []
    this.workers = undefined
  }
}

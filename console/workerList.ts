/** The list of workers, filtered and cut to a page. Pure. */
import { type Asked, hasWords, type Page, pageOf } from './paging.js'
import type { QueueView } from './queueViews.js'
import type { WorkerView } from './snapshot.js'

export interface WorkerItem extends WorkerView {
  /** Whose queues it takes from. */
  readonly services: readonly string[]
}

export interface WorkersPage extends Page<WorkerItem> {
  readonly services: readonly string[]
  /** Nobody has said yet which workers there are. */
  readonly unknown?: true
}

const MOST_SERVICES = 100

export function listWorkers(
  {
    workers,
    workersUnknown,
    queues,
  }: { workers: readonly WorkerView[]; workersUnknown?: true; queues: readonly QueueView[] },
  { q = '', service = '' }: Readonly<Record<string, string>>,
  asked: Asked,
): WorkersPage {
  const owners = new Map(queues.map((queue) => [queue.name, queue.service]))
  const items = workers.map((worker): WorkerItem => {
    const services = worker.queues.map(({ queue }) => owners.get(queue)).filter((each) => each !== undefined)
    return { ...worker, services: [...new Set(services)] }
  })
  const words = q.trim().slice(0, 200)
  const found = items.filter(
    (item) =>
      (service === '' || item.services.includes(service)) &&
      (words === '' ||
        hasWords(
          `${item.name} ${item.state} ${item.services.join(' ')} ${item.queues.map(({ queue }) => queue).join(' ')}`,
          words,
        )),
  )
  const services = [...new Set(items.flatMap((item) => item.services))].sort().slice(0, MOST_SERVICES)
  return { ...pageOf(found, items.length, asked), services, ...(workersUnknown ? { unknown: true } : {}) }
}

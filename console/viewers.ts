/** All pages that look on. While there is one, the cluster is looked at more often; each message is written once for all. */

import { SERIES } from './history.js'
import type { Moment } from './observer.js'
import { type Overview, overviewOf } from './overview.js'
import type { Parts } from './parts.js'
import { type Message, Viewer } from './viewer.js'

const MAX_VIEWERS = 100

export class Viewers {
  readonly #parts: Parts
  readonly #viewers = new Map<Viewer, { readonly session: string; readonly leave: () => void }>()

  constructor(parts: Parts) {
    this.#parts = parts
    const { observer, tasks, bursts, drills } = parts
    observer.on('moment', (moment) => {
      if (this.#viewers.size === 0) return
      this.#send('moment', this.#overview(moment))
      void this.#parts.controls?.look()
    })
    observer.on('happening', (happening) => this.#send('happening', happening))
    observer.on('row', (row) => this.#send('row', row))
    tasks?.on('tasks', (recent) => this.#send('tasks', recent))
    bursts.on('burst', (burst) => this.#send('burst', burst))
    drills?.on('drill', (drill) => this.#send('drill', drill))
  }

  /** Undefined when there are too many. `session` is the id of the sign-in that it is shown to. */
  add(session: string): Viewer | undefined {
    if (this.#viewers.size >= MAX_VIEWERS) return undefined
    const { observer, tasks, bursts, drills } = this.#parts
    const viewer = new Viewer()
    const leave = [observer.watch(), tasks?.watch()]
    this.#viewers.set(viewer, {
      session,
      leave: () => {
        for (const each of leave) each?.()
      },
    })
    viewer.push(
      messageOf('hello', {
        ...{ series: SERIES, rows: observer.rows, happenings: observer.happenings },
        moment: observer.moment === undefined ? null : this.#overview(observer.moment),
        ...{ tasks: tasks?.kept ?? [], burst: bursts.view ?? null, drill: drills?.view ?? null },
      }),
    )
    return viewer
  }

  remove(viewer: Viewer): void {
    viewer.end()
    this.#viewers.get(viewer)?.leave()
    this.#viewers.delete(viewer)
  }

  /** A page that was signed out sees nothing more, in any of its tabs. */
  endSession(session: string): void {
    for (const [viewer, each] of this.#viewers) if (each.session === session) this.remove(viewer)
  }

  close(): void {
    for (const viewer of this.#viewers.keys()) this.remove(viewer)
  }

  #overview(moment: Moment): Overview {
    const { vhost, controls } = this.#parts
    return overviewOf(moment, vhost, controls?.paused)
  }

  #send(event: string, fact: unknown): void {
    if (this.#viewers.size === 0) return
    const message = messageOf(event, fact)
    for (const viewer of this.#viewers.keys()) {
      viewer.push(message)
      // One that takes nothing any more must not keep a place, nor the cluster looked at.
      if (viewer.over) this.remove(viewer)
    }
  }
}

const messageOf = (event: string, fact: unknown): Message => ({ event, data: JSON.stringify(fact) })

/** What happens to tasks, as the store knows it: of one task from its beginning, or of all from now on. */
import { ClosedError } from '../errors/index.js'
import type { Access } from './access.js'
import type { Announcements } from './announcements.js'
import type { Asking } from './asking.js'
import type { Availability } from './availability.js'
import type { StoreTarget } from './connection.js'
import { Feed, type FeedOptions } from './feed.js'
import { Followers, type FollowOptions } from './follower.js'
import type { Pulled } from './pulled.js'
import type { EventsReply } from './script.js'
import type { TaskEvent } from './taskEvent.js'

/** What events need of the store. */
export interface EventsParts {
  readonly target: StoreTarget
  readonly connectTimeoutMs: number
  readonly asking: Asking
  readonly availability: Pick<Availability, 'away'>
  readonly access: Access
  readonly announcements: Announcements
}

/** How long a reader waits for an answer before it tries again. */
const LOOKUP_MS = 2_000
/** More than the store keeps. */
const READ_COUNT = 10_000

export class Events {
  readonly #parts: EventsParts
  readonly #followers: Followers
  readonly #feeds = new Set<Feed>()
  #closed = false

  constructor(parts: EventsParts) {
    this.#parts = parts
    const { asking, availability, access, announcements } = parts
    this.#followers = new Followers({
      get away() {
        return availability.away
      },
      read: (...of) => asking.within(LOOKUP_MS, () => access.events(...of)),
      listen: (channel, listener) => announcements.listen(channel, listener),
    })
  }

  /** The events of a task, from the first that is kept to its end: see `follower.ts`. */
  follow(id: string, options: FollowOptions): Pulled<TaskEvent> {
    return this.#followers.follow(id, options)
  }

  /** What the store holds of a task: the entries of its latest run, and its result where that is final. */
  read(id: string): Promise<EventsReply> {
    const { asking, access } = this.#parts
    return asking.within(LOOKUP_MS, () => access.events(id, 0, 0, READ_COUNT))
  }

  /** The events of all tasks from now on, over a connection of its own: see `feed.ts`. */
  feed(options: FeedOptions): Feed {
    if (this.#closed) throw new ClosedError('The result store')
    const { target, connectTimeoutMs, asking } = this.#parts
    const open = () => target.connection(connectTimeoutMs)
    const feed: Feed = new Feed(
      open,
      options,
      (error) => asking.failure(error),
      () => this.#feeds.delete(feed),
    )
    this.#feeds.add(feed)
    return feed
  }

  close(error: Error): void {
    this.#closed = true
    this.#followers.close(error)
    for (const feed of [...this.#feeds]) feed.end({ reason: error })
  }
}

/** What a running console is made of, for those who serve it. */
import type { Bursts } from './burst.js'
import type { Controls } from './controls.js'
import type { DeadLetterDesk } from './deadLetterDesk.js'
import type { Drills } from './drills.js'
import type { FlowDesk } from './flowDesk.js'
import type { Launcher } from './launcher.js'
import type { Library } from './library.js'
import type { Observer } from './observer.js'
import type { RecentTasks } from './recentTasks.js'
import type { ScheduleDesk } from './scheduleDesk.js'
import type { Session } from './sessions.js'
import type { TaskDesk } from './taskDesk.js'
import type { TaskHistory } from './taskHistory.js'

/** What a page may offer to whoever is signed in. The server asks again. */
export interface Abilities {
  readonly act: boolean
  readonly burst: boolean
  readonly control: boolean
  readonly drills: boolean
  readonly tasks: boolean
}

export interface Parts {
  /** The virtual host that the console's own connection is in. */
  readonly vhost: string
  readonly observer: Observer
  readonly library: Library
  /** Undefined without a result store. */
  readonly tasks: RecentTasks | undefined
  readonly history: TaskHistory | undefined
  readonly controls: Controls | undefined
  readonly taskDesk: TaskDesk
  readonly schedules: ScheduleDesk
  readonly flows: FlowDesk
  readonly bursts: Bursts
  readonly desk: DeadLetterDesk
  /** Undefined where no local cluster is controlled. */
  readonly launcher: Launcher | undefined
  readonly drills: Drills | undefined
  readonly can: (session: Session) => Abilities
}

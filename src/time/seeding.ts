/** Creates a token to replace one that does not arrive: its message was lost, or its schedule never had one. */
import type { ScheduleStore } from './scheduleStore.js'
import type { TokenMail } from './tokenMail.js'

/** A token this late counts as missing. If it arrives after all, one of the two is dropped. */
const LATE_MS = 10_000
/** How many are created at a time. */
const COUNT = 100

/** If several workers do this at the same time, one of them creates each token. Throws when the store or the broker fails. */
export async function seedOverdue(store: ScheduleStore, mail: TokenMail): Promise<void> {
  for (const id of await store.overdue(LATE_MS, COUNT)) {
    const { now, record } = await store.look(id)
    if (record === undefined) {
      await store.index(id, null, false)
    } else if (record.next === null || record.due === null || record.due + LATE_MS > now) {
      await store.index(id, record.due)
    } else if (await store.seed(id, record, now)) {
      const { generation, next, ran, waiting, paused, due, definition, trace } = record
      await mail.passOn(
        { schedule: id, generation, order: next, progress: { ran, waiting }, paused, due, definition, trace },
        now,
      )
    }
  }
}

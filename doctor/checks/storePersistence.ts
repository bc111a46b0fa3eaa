/** Whether the store's data survives a restart. */
import { check, type Found } from '../check.js'

export const storePersistence = check(
  'store-persistence',
  'stored data is on disk, and survives a restart',
  ['store'],
  ({ store: { appendOnly, snapshots, appendFsync, address } }): readonly Found[] => {
    if (appendOnly === undefined) return []
    const fix = 'CONFIG SET appendonly yes, and appendonly yes with appendfsync everysec in its configuration file.'
    if (!appendOnly) {
      const none = snapshots === ''
      return [
        {
          severity: none ? 'loses' : 'hurts',
          finding: none
            ? `The store at ${address} writes nothing to disk: no append-only file, no snapshots.`
            : `The store at ${address} has no append-only file${snapshots === undefined ? '; whether it makes snapshots could not be read' : `, only snapshots (save ${snapshots})`}.`,
          why: none
            ? 'A restart empties it: results that callers wait for are lost, and so are schedules, pauses and cancellations; redelivered finished tasks run again.'
            : 'A restart loses everything stored since the last snapshot: results, schedules, pauses and cancellations.',
          fix,
        },
      ]
    }
    if (appendFsync !== 'no') return []
    return [
      {
        severity: 'hurts',
        finding: `The store at ${address} lets the operating system decide when to write to disk (appendfsync no).`,
        why: 'A crash of its machine loses some 30 seconds of results.',
        fix: 'CONFIG SET appendfsync everysec, and the same in its configuration file.',
      },
    ]
  },
)

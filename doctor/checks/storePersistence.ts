/** Whether what is stored outlives a restart of the store. */
import { check, type Found } from '../check.js'

export const storePersistence = check(
  'store-persistence',
  'what is stored is on disk, and outlives a restart',
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
            ? 'A restart empties it: results that somebody waits for are gone, and so is what is scheduled, paused or cancelled; finished tasks whose message comes again run again.'
            : 'A restart loses all that was stored since the last snapshot: results, and what was scheduled, paused or cancelled.',
          fix,
        },
      ]
    }
    if (appendFsync !== 'no') return []
    return [
      {
        severity: 'hurts',
        finding: `The store at ${address} leaves it to the system when to write to disk (appendfsync no).`,
        why: 'A crash of its machine loses some 30 seconds of results.',
        fix: 'CONFIG SET appendfsync everysec, and the same in its configuration file.',
      },
    ]
  },
)

export { examine } from './check.js'
export { checks } from './checks/index.js'
export { type LookOptions, look } from './look/look.js'
export type { Snapshot, TasksFacts } from './snapshot.js'

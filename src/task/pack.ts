/** Whether several tasks of one name may travel in one message. */
import { is, settleOptions } from '../options.js'

export interface PackOptions {
  /** How many tasks one message carries at most, 2 to 1,000. Default 64. */
  readonly maxTasks?: number | undefined
  /** How many bytes they may take together, 1,024 to 16 MiB. A larger task goes in a message of its own. Default 64 KiB. */
  readonly maxBytes?: number | undefined
}

/** A task's packs, checked, with defaults. */
export interface TaskPack {
  readonly maxTasks: number
  readonly maxBytes: number
}

const PACK_CHECKS = { maxTasks: is.integer(2, 1_000), maxBytes: is.integer(1_024, 16 * 1024 * 1024) }
const PACK_DEFAULTS = { maxTasks: 64, maxBytes: 64 * 1024 }

/** Throws `OptionsError`. */
export const settlePack = (where: string, given: PackOptions): TaskPack =>
  Object.freeze({ ...settleOptions(where, given, PACK_CHECKS, PACK_DEFAULTS) } as TaskPack)

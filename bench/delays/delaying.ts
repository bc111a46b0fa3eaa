/** Warren, in programs that know when each task is due and note when it runs. */
import { fileURLToPath } from 'node:url'
import type { Rival } from '../rivals/rival.js'

export const WORKERS = 2

const PROGRAM = fileURLToPath(new URL('./program.js', import.meta.url))

export const delaying: Rival = {
  name: 'warren',
  configuration: `all options at their defaults, but results are kept for a minute; ${WORKERS} workers, one for \`countdown\``,
  durability: '2 of 3 copies, synced to disk',
  hasResults: true,
  command: (part) => [process.execPath, PROGRAM, part],
}

/** Who runs handlers here, as the store is told. */
import { hostname } from 'node:os'

export const THIS_PROCESS = { hostname: hostname(), pid: process.pid }

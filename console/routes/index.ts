/** The API's routes: looking things up, and what operators do. Each act is told in the feed, with who did it. */
import type { Hono } from 'hono'
import type { Env } from '../guard.js'
import type { Parts } from '../parts.js'
import { burstRoutes } from './bursts.js'
import { deadLetterRoutes } from './deadLetters.js'
import { drillRoutes } from './drills.js'
import { flowRoutes } from './flows.js'
import { nodeRoutes } from './nodes.js'
import { processRoutes } from './processes.js'
import { queueRoutes } from './queues.js'
import { scheduleRoutes } from './schedules.js'
import { taskRoutes } from './tasks.js'
import { workerRoutes } from './workers.js'

export function apiRoutes(api: Hono<Env>, parts: Parts): void {
  for (const add of [
    ...[taskRoutes, queueRoutes, scheduleRoutes, flowRoutes, deadLetterRoutes, workerRoutes, nodeRoutes],
    ...[burstRoutes, processRoutes, drillRoutes],
  ]) {
    add(api, parts)
  }
}

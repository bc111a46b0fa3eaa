/** Tasks of which one message in many kills the worker process that runs it. */
import { z } from 'zod'
import { defineTask } from '../../src/index.js'

export const SERVICE = 'victims'
export const LIMIT = 3
const input = z.object({ dies: z.boolean() })
const output = z.string()

export const quorumVictim = defineTask({ name: 'payment.victims.quorum', input, output, queue: { type: 'quorum' } })
export const classicVictim = defineTask({ name: 'user.victims.classic', input, output, queue: { type: 'classic' } })

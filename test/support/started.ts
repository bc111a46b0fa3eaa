/** Before each test file on the shared cluster: waits until `globalSetup.ts` has started it. */
import { existsSync, readFileSync } from 'node:fs'
import { testCluster, until } from './cluster.js'

const { started } = testCluster()
await until('the shared cluster', () => existsSync(started), 180_000)
const problem = readFileSync(started, 'utf8')
if (problem !== '') throw new Error(`The shared cluster could not be started: ${problem}`)

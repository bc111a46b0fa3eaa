/** A join of many members, each of which is delivered twice, while its workers are killed at every step and a node as well. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join as pathOf } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, join, step } from 'warren'
import { repositoryRoot } from '../../cluster/index.js'
import type { Drill } from '../drill.js'
import { body, member } from '../flowTasks.js'

const SERVICE = 'drill-flow'
const MEMBERS = 10_000
/** They hold all members at first, and are killed then: 2,000 each. */
const HOLDERS = 5
const RUNNERS = 3
/** Of settling: before the end of a member is noted, after that, after what follows was published, and after that was noted. */
const STEPS = ['0', '1', '2', '3']
const EVERY_MS = 2_000
const TIMEOUT_MS = 600_000

interface Word {
  readonly held?: number
  readonly redelivered?: number
  readonly body?: true
}

export const flow: Drill = {
  name: 'flow',
  does: `Starts a flow that joins ${MEMBERS.toLocaleString('en-US')} members, kills the workers that hold all of them, then one every ${EVERY_MS / 1_000} s at each step of settling in turn, and a node (SIGKILL).`,
  holds: 'The body is run once, with all results in order.',
  recoverWithinMs: null,
  load: { ratePerQueue: 5 },
  async fault({ drillCluster, mark, until, defer, numbers, signal }) {
    const { adminUrl: broker, resultsUrl: results, cluster } = drillCluster
    const warren = await connect({ broker, results, logger: false })
    defer(() => warren.close())
    defer(async () => {
      const queues = [member, body].map(({ name }) => encodeURIComponent(`${name}.${SERVICE}`))
      // It is not there where the drill ended early.
      for (const queue of queues) {
        await drillCluster.management.request('DELETE', `/queues/%2F/${queue}`).catch(() => undefined)
      }
    })
    const held = new Map<ChildProcess, number>()
    const redelivered = new Map<ChildProcess, number>()
    let bodies = 0
    const start = async (what: string): Promise<ChildProcess> => {
      const child = fork(pathOf(repositoryRoot(), 'dist', 'drills', 'flowWorker.js'), [broker, results, what])
      defer(() => child.kill('SIGKILL'))
      child.on('message', (word: Word) => {
        if (word.held !== undefined) held.set(child, word.held)
        if (word.redelivered !== undefined) redelivered.set(child, word.redelivered)
        if (word.body) bodies++
      })
      await Promise.race([once(child, 'message'), once(child, 'exit')])
      return child
    }
    const holders = await Promise.all(Array.from({ length: HOLDERS }, () => start('hold')))
    const members = Array.from({ length: MEMBERS }, (_, n) => step(member, { n }))
    const begunAt = Date.now()
    const started = await warren.flows.start(join(members, step(body, {}, { into: 'of' })))
    mark('phase', `Started a flow of ${MEMBERS} members in ${Date.now() - begunAt} ms`)
    const sum = (counts: ReadonlyMap<unknown, number>): number => [...counts.values()].reduce((a, b) => a + b, 0)
    const allHeld = () => (sum(held) >= MEMBERS ? undefined : `${sum(held)} of ${MEMBERS} are held`)
    await until('every member held by a worker', allHeld, TIMEOUT_MS)
    const ended = holders.map((each) => once(each, 'exit'))
    for (const each of holders) each.kill('SIGKILL')
    await Promise.all(ended)
    mark('fault', `Killed the ${HOLDERS} workers that held every member (SIGKILL)`)

    const over = started.result({ timeoutMs: TIMEOUT_MS })
    // Its failure is thrown below; meanwhile it must not end the process.
    let done = false
    over
      .finally(() => {
        done = true
      })
      .catch(() => undefined)
    let kills = HOLDERS
    const running = await Promise.all(Array.from({ length: RUNNERS }, (_, at) => start(STEPS[at] ?? 'run')))
    const leaders = await drillCluster.management.leaders(`${member.name}.`)
    const [leader = ''] = leaders.values()
    const node = leader.split('@')[0] || (await drillCluster.follower())
    for (let at = RUNNERS; !done && !signal.aborted; at++) {
      await Promise.race([delay(EVERY_MS), over.catch(() => undefined)])
      const victim = running.shift()
      if (done || victim === undefined) break
      // It kills itself at its step; one that settles nothing more is killed.
      const dead = once(victim, 'exit')
      victim.send('die')
      await Promise.race([dead, delay(EVERY_MS).then(() => victim.kill('SIGKILL'))])
      kills++
      if (kills === HOLDERS + 2) {
        mark('fault', `Killed ${node}, which leads the members' queue (SIGKILL)`)
        await cluster.killProcess(node)
      }
      if (kills === HOLDERS + 4) {
        await cluster.startProcess(node)
        mark('phase', `${node} is back`)
      }
      running.push(await start(STEPS[at % STEPS.length] ?? 'run'))
    }
    if (kills >= HOLDERS + 2 && kills < HOLDERS + 4) await cluster.startProcess(node)
    const list = await over
    mark('repair', `The flow has ended after ${kills} workers were killed`)
    numbers.set('tookMs', Date.now() - begunAt)
    // A second run of the body would follow soon.
    await delay(EVERY_MS)
    numbers.set('kills', kills)
    numbers.set('bodies', bodies)
    numbers.set('redelivered', sum(redelivered))
    numbers.set('ordered', list.length === MEMBERS && list.every((each, n) => each === n) ? 1 : 0)
  },
  check({ numbers }) {
    const bodies = numbers.get('bodies') ?? 0
    const problems = bodies === 1 ? [] : [`the body was run ${bodies} times`]
    if (numbers.get('ordered') !== 1) problems.push('the body did not get all results in order')
    return problems
  },
  tell: ({ numbers }) => [
    `${numbers.get('kills') ?? 0} workers were killed; members were delivered again ${numbers.get('redelivered') ?? 0} times; the flow took ${Math.round((numbers.get('tookMs') ?? 0) / 1_000)} s, and its body was run ${numbers.get('bodies') ?? 0} times.`,
  ],
}

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { statusText } from '../../cli/status.js'
import type { ClusterStatus } from '../../cluster/index.js'
import { Repairs, type RepairTools, repairTimes } from '../../cluster/repairs.js'
import { type Trouble, troublesIn } from '../../cluster/troubles.js'

const node = (number: number, more = {}) => ({ name: `rabbitmq-${number}@localhost`, running: true, ...more })
const nodes = [node(1), node(2), node(3)]
const states = (second: string) => ({
  'rabbitmq-1@localhost': 'running',
  'rabbitmq-2@localhost': second,
  'rabbitmq-3@localhost': 'running',
})
const classic = (more = {}) => ({
  ...{ name: 'user.account.create.s', vhost: '/', type: 'classic', state: 'running', node: 'rabbitmq-2@localhost' },
  ...more,
})

describe('what does not work although its node runs', () => {
  it('names a virtual host that did not come up on a node, and what to do', () => {
    expect(troublesIn(nodes, [{ name: 'orders', cluster_state: states('stopped') }], [])).toEqual([
      {
        ...{ kind: 'virtualHostDown', node: 'rabbitmq-2', vhost: 'orders' },
        what: expect.stringContaining('virtual host orders does not run on rabbitmq-2'),
        remedy: expect.stringContaining('rabbitmqctl restart_vhost -p orders'),
      },
    ])
  })

  it.each(['down', 'stopped', 'crashed'])('names a classic queue that is %s, and the node to restart', (state) => {
    expect(troublesIn(nodes, [], [classic({ state })])).toEqual([
      expect.objectContaining({
        ...{ kind: 'queueDown', node: 'rabbitmq-2', queue: 'user.account.create.s' },
        remedy: expect.stringContaining('Restart rabbitmq-2'),
      }),
    ])
  })

  it('says nothing where the node itself is down, the state is unknown, or all is well', () => {
    const down = [node(1), node(2, { running: false }), node(3)]
    const vhosts = [{ name: '/', cluster_state: states('stopped') }, { name: 'new' }]
    expect(troublesIn(down, vhosts, [classic({ state: 'down' })])).toEqual([])
    const queues = [classic(), classic({ state: undefined }), classic({ state: 'minority', node: undefined })]
    expect(troublesIn(nodes, [{ name: '/', cluster_state: states('running') }], queues)).toEqual([])
  })

  it('names the virtual host alone, not each queue on it', () => {
    const found = troublesIn(nodes, [{ name: '/', cluster_state: states('stopped') }], [classic({ state: 'down' })])
    expect(found.map(({ kind }) => kind)).toEqual(['virtualHostDown'])
  })

  it('names a node that blocks publishers, and a partition that stays', () => {
    const found = troublesIn(
      [node(1, { mem_alarm: true, partitions: ['rabbitmq-3@localhost'] }), node(2, { disk_free_alarm: true }), node(3)],
      [],
      [],
    )
    expect(found.map(({ kind, node: name }) => [kind, name])).toEqual([
      ['alarm', 'rabbitmq-1'],
      ['partition', 'rabbitmq-1'],
      ['alarm', 'rabbitmq-2'],
    ])
  })

  it('is shown by warren status with the remedy; that nobody could be asked is said, too', () => {
    const status: ClusterStatus = {
      ...{ dir: '/w/.warren', pid: 7, state: 'running', processes: [] },
      addresses: {
        ...{ amqp: [], nodes: [], results: '', edge: '', prometheus: undefined },
        management: { edge: '', nodes: [], metrics: [] },
      },
    }
    const [trouble] = troublesIn(nodes, [], [classic({ state: 'down' })])
    const text = statusText({ ...status, troubles: trouble ? [trouble] : [] })
    expect(text).toContain(`- ${trouble?.what}\n  ${trouble?.remedy}\n`)
    expect(text).toContain('The launcher repairs')
    expect(statusText({ ...status, troubles: [] })).not.toContain('Trouble')
    expect(statusText(status)).toContain('No node answers')
  })
})

describe('the launcher repairs what RabbitMQ leaves dark', () => {
  const { intervalMs, patienceMs, initialBackoffMs } = repairTimes
  const LONG = 2 * (patienceMs + intervalMs)
  const queue: Trouble = {
    kind: 'queueDown',
    node: 'rabbitmq-2',
    vhost: '/',
    queue: 'q',
    what: 'q is down.',
    remedy: '',
  }
  const vhost: Trouble = { kind: 'virtualHostDown', node: 'rabbitmq-3', vhost: '/', what: '/ is down.', remedy: '' }

  let settled: string | undefined
  let troubles: Trouble[]
  let done: string[]
  let said: string[]
  let repairs: Repairs

  const begin = (more: Partial<RepairTools> = {}) => {
    repairs = new Repairs({
      settled: async () => settled,
      look: async () => troubles,
      startVirtualHost: async (name, on) => void done.push(`start ${name} on ${on}`),
      restartNode: async (name) => void done.push(`restart ${name}`),
      say: (line) => said.push(line),
      ...more,
    })
    repairs.start()
  }

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    settled = 'as it is'
    troubles = []
    done = []
    said = []
  })
  afterEach(() => {
    repairs.stop()
    vi.useRealTimers()
  })

  it('restarts the node of a queue that stays down, and says so', async () => {
    begin()
    troubles = [queue]
    await vi.advanceTimersByTimeAsync(LONG)
    expect(done).toEqual(['restart rabbitmq-2'])
    expect(said[0]).toBe('q is down. Restarting rabbitmq-2.')
  })

  it('starts a virtual host, and restarts its node only when that did not help', async () => {
    begin()
    troubles = [vhost]
    await vi.advanceTimersByTimeAsync(LONG)
    expect(done).toEqual(['start / on rabbitmq-3'])
    await vi.advanceTimersByTimeAsync(initialBackoffMs + intervalMs)
    expect(done).toEqual(['start / on rabbitmq-3', 'restart rabbitmq-3'])
  })

  it('leaves alone what passes by itself, and what only a person can repair', async () => {
    begin()
    troubles = [queue]
    await vi.advanceTimersByTimeAsync(patienceMs)
    troubles = [
      { ...queue, kind: 'alarm' },
      { ...queue, kind: 'partition' },
    ]
    await vi.advanceTimersByTimeAsync(10 * LONG)
    expect(done).toEqual([])
  })

  it('never acts while a node is stopped, frozen or cut off, nor shortly after', async () => {
    begin()
    troubles = [queue]
    settled = undefined
    await vi.advanceTimersByTimeAsync(10 * LONG)
    settled = 'thawed'
    await vi.advanceTimersByTimeAsync(patienceMs)
    // Somebody takes the next node: the time begins anew.
    settled = 'another restart'
    await vi.advanceTimersByTimeAsync(patienceMs)
    expect(done).toEqual([])
    await vi.advanceTimersByTimeAsync(LONG)
    expect(done).toEqual(['restart rabbitmq-2'])
  })

  it('waits longer after each repair that did not help, also when a repair fails', async () => {
    const at: number[] = []
    begin({
      restartNode: async () => {
        at.push(performance.now())
        throw new Error('it does not start')
      },
    })
    troubles = [queue]
    await vi.advanceTimersByTimeAsync(LONG + 8 * initialBackoffMs)
    expect(at.length).toBeGreaterThanOrEqual(3)
    const [first = 0, second = 0, third = 0] = at
    expect(second - first).toBeGreaterThanOrEqual(initialBackoffMs)
    expect(third - second).toBeGreaterThanOrEqual(2 * initialBackoffMs)
    expect(said).toContain('rabbitmq-2: the repair failed: it does not start; next in 30 s')
  })

  it('repairs one thing at a time, and nothing once it is stopped', async () => {
    let running = 0
    let most = 0
    begin({
      restartNode: async (name) => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 60_000))
        running--
        done.push(name)
      },
    })
    troubles = [queue, { ...queue, node: 'rabbitmq-1', queue: 'p' }]
    await vi.advanceTimersByTimeAsync(LONG + 60_000 + intervalMs)
    expect([most, done]).toEqual([1, ['rabbitmq-2']])
    repairs.stop()
    await vi.advanceTimersByTimeAsync(100 * LONG)
    expect(done.length).toBeLessThanOrEqual(2)
    const stopped = [...done]
    await vi.advanceTimersByTimeAsync(100 * LONG)
    expect(done).toEqual(stopped)
  })

  it('goes on looking after a look that failed', async () => {
    let fail = true
    begin({
      look: async () => {
        if (fail) throw new Error('no node answers')
        return troubles
      },
    })
    troubles = [queue]
    await vi.advanceTimersByTimeAsync(LONG)
    expect(done).toEqual([])
    fail = false
    await vi.advanceTimersByTimeAsync(LONG)
    expect(done).toEqual(['restart rabbitmq-2'])
  })
})

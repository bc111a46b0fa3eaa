import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  actOnProcess,
  Cluster,
  type ClusterOptions,
  type ClusterStatus,
  type Fact,
  freePortBlock,
  isFree,
  type PortPlan,
  type ProcessChange,
  ports,
  readStatus,
  repositoryRoot,
  scaleWorkers,
  waitFor,
} from '../../cluster/index.js'

const stub = join(repositoryRoot(), 'test', 'support', 'stubWorker.mjs')
const DEAD_LETTER_QUEUES = ['user.dlq', 'payment.dlq']

let dir: string
let plan: PortPlan
let cluster: Cluster

const optionsFor = (folder: string, block: PortPlan, more: ClusterOptions = {}): ClusterOptions => ({
  dir: folder,
  portBase: block.base,
  amqpPort: block.amqp,
  edgePort: block.edge,
  workers: 2,
  workerCommand: [process.execPath, stub],
  ...more,
})

/** Every process that runs in the folder, or whose environment or arguments name it: a stop must leave none. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false
    try {
      const traces = [readlinkSync(`/proc/${pid}/cwd`)]
      for (const file of ['cmdline', 'environ']) traces.push(readFileSync(`/proc/${pid}/${file}`, 'utf8'))
      return traces.some((each) => each.includes(folder))
    } catch {
      return false
    }
  })
}

async function expectNothingLeft(folder: string, block: PortPlan): Promise<void> {
  expect(processesOf(folder)).toEqual([])
  const all = [
    block.amqp,
    block.edge,
    ports.epmd(block),
    ...[1, 2, 3].flatMap((node) => [ports.nodeAmqp(block, node), ports.nodeManagement(block, node)]),
    ports.store(block),
    ports.worker(block, 1),
  ]
  expect(await Promise.all(all.map(isFree))).toEqual(all.map(() => true))
  expect(existsSync(join(folder, 'control.sock'))).toBe(false)
  expect(readdirSync(join(folder, 'run'))).toEqual([])
}

const pids = (status: ClusterStatus) => new Map(status.processes.map(({ name, pid }) => [name, pid]))
const front = (node: string, wanted: string): Fact => {
  return async () => {
    const found = (await cluster.status()).processes.find(({ name }) => name === node)?.front
    return found === wanted ? undefined : `HAProxy says ${found}`
  }
}
const whole: Fact = (signal) => cluster.whole(signal)

async function deadLetterMembers(): Promise<number[]> {
  const authorization = `Basic ${Buffer.from(`admin:${cluster.passwords.admin}`).toString('base64')}`
  return Promise.all(
    DEAD_LETTER_QUEUES.map(async (queue) => {
      const response = await fetch(`${cluster.addresses.management.edge}/api/queues/%2F/${queue}`, {
        headers: { authorization },
      })
      const { members } = (await response.json()) as { members: string[] }
      return members.length
    }),
  )
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'warren-test-'))
  plan = await freePortBlock()
  cluster = new Cluster(optionsFor(dir, plan))
  await cluster.start()
}, 240_000)

afterAll(async () => {
  await cluster?.stop()
  if (dir) rmSync(dir, { recursive: true, force: true })
}, 60_000)

describe('a cluster that runs', () => {
  it('is ready with every part, and gives each dead-letter queue three members', async () => {
    expect(cluster.state).toBe('running')
    const { processes } = await readStatus(dir)
    expect(processes.filter(({ state }) => state !== 'running')).toEqual([])
    expect(processes.filter(({ kind }) => kind === 'rabbitmq').map(({ sees, front }) => [sees?.length, front])).toEqual(
      [1, 2, 3].map(() => [3, 'UP']),
    )
    expect(await deadLetterMembers()).toEqual([3, 3])
  })

  it('serves the start page, the management and the statistics through one edge', async () => {
    const { edge } = cluster.addresses
    const page = await fetch(`${edge}/`)
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('/rabbitmq/')])
    expect((await fetch(`${edge}/rabbitmq/`)).status).toBe(200)
    expect((await fetch(`${edge}/haproxy`)).status).toBe(401)
    expect(await (await fetch(`${edge}/haproxy/metrics`)).text()).toContain('haproxy_server_status')
  })

  it('refuses a second start in the same folder, naming the first', async () => {
    const second = new Cluster(optionsFor(dir, await freePortBlock()))
    await expect(second.start()).rejects.toMatchObject({
      code: 'ALREADY_RUNNING',
      message: expect.stringMatching(new RegExp(`${dir}.*process ${process.pid}`)),
    })
    expect(cluster.state).toBe('running')
    expect((await readStatus(dir)).pid).toBe(process.pid)
  })

  it('names an unknown process and the nearest known one', async () => {
    await expect(actOnProcess(dir, 'rabitmq-1', 'stop')).rejects.toMatchObject({
      code: 'UNKNOWN_PROCESS',
      message: expect.stringContaining('did you mean `rabbitmq-1`?'),
    })
  })

  it('scales 2 → 4 → 1 without touching any other process', async () => {
    const before = pids(await cluster.status())
    const four = pids(await scaleWorkers(dir, 4))
    expect([...four.keys()].filter((name) => name.startsWith('worker-'))).toHaveLength(4)
    const one = pids(await scaleWorkers(dir, 1))
    expect([...one.keys()].filter((name) => name.startsWith('worker-'))).toEqual(['worker-1'])
    for (const name of one.keys()) expect([name, one.get(name)]).toEqual([name, before.get(name)])
  })

  it('restarts a worker that somebody else killed, and leaves down one that was killed on purpose', async () => {
    const changes: ProcessChange[] = []
    const listen = (change: ProcessChange) => changes.push(change)
    cluster.on('process', listen)
    onTestFinished(() => void cluster.off('process', listen))
    const worker = async () => (await cluster.status()).processes.find(({ name }) => name === 'worker-1')
    const first = await worker()
    process.kill(first?.pid ?? -1, 'SIGKILL')
    await waitFor('worker-1 again', async () => ((await worker())?.restarts === 1 ? undefined : 'not yet'), {
      timeoutMs: 10_000,
    })
    expect(changes.find(({ state }) => state === 'restarting')?.detail).toContain('SIGKILL')
    await actOnProcess(dir, 'worker-1', 'kill')
    expect((await worker())?.state).toBe('stopped')
    await cluster.startProcess('worker-1')
    expect((await worker())?.state).toBe('running')
  })

  it('takes a frozen node out of HAProxy, and puts it back once it is thawed', async () => {
    await cluster.freezeProcess('rabbitmq-3')
    await waitFor('rabbitmq-3 out of HAProxy', front('rabbitmq-3', 'DOWN'), { timeoutMs: 10_000 })
    // Long enough for its peers to give it up: from then on it does not simply go on where it was.
    const givenUp: Fact = async () => {
      const { processes } = await cluster.status()
      const sees = processes.find(({ name }) => name === 'rabbitmq-1')?.sees ?? []
      return sees.length === 2 ? undefined : `rabbitmq-1 sees ${sees.join(', ')}`
    }
    await waitFor('rabbitmq-3 given up by its peers', givenUp, { timeoutMs: 25_000 })
    await cluster.thawProcess('rabbitmq-3')
    await waitFor('the cluster whole', whole, { timeoutMs: 150_000 })
  }, 200_000)

  it('shows a killed node as down, and it rejoins with its data when it is started', async () => {
    await cluster.killProcess('rabbitmq-2')
    expect(await isFree(ports.nodeAmqp(plan, 2))).toBe(true)
    await waitFor('rabbitmq-2 out of HAProxy', front('rabbitmq-2', 'DOWN'), { timeoutMs: 10_000 })
    await cluster.startProcess('rabbitmq-2')
    await waitFor('the cluster whole', whole, { timeoutMs: 40_000 })
    expect(await deadLetterMembers()).toEqual([3, 3])
  }, 240_000)

  it('names a virtual host and a classic queue that are dark while their nodes run, and repairs both by itself', async () => {
    const queue = 'user.dark.s'
    const authorization = `Basic ${Buffer.from(`admin:${cluster.passwords.admin}`).toString('base64')}`
    const declared = await fetch(`${cluster.addresses.management.nodes[0]}/api/queues/%2F/${queue}`, {
      ...{ method: 'PUT', headers: { authorization, 'content-type': 'application/json' } },
      body: JSON.stringify({ durable: true, node: 'rabbitmq-1@localhost', arguments: { 'x-queue-type': 'classic' } }),
    })
    expect(declared.status).toBe(201)
    const lines: string[] = []
    const listen = (line: string) => lines.push(line)
    cluster.on('progress', listen)
    onTestFinished(() => void cluster.off('progress', listen))
    const before = pids(await cluster.status())

    await cluster.rabbitmqctl(2, ['eval', 'rabbit_vhost_sup_sup:stop_and_delete_vhost(<<"/">>).'])
    // As after a partition: the record of where the queue runs is gone, that it exists is not. Mnesia alone (up to
    // RabbitMQ 4.2) keeps the two apart.
    const tables = await cluster.rabbitmqctl(1, ['eval', 'catch mnesia:system_info(tables).'])
    const mayBeDark = /\brabbit_queue\b/.test(tables)
    const record = `rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)`
    if (mayBeDark) await cluster.rabbitmqctl(1, ['eval', `mnesia:dirty_delete(rabbit_queue, ${record}).`])
    const named = (await readStatus(dir)).troubles?.map(({ kind, node, what }) => [kind, node, what])
    const dark = ['virtualHostDown', 'rabbitmq-2', expect.stringContaining('virtual host / ')]
    // RabbitMQ 4.3 starts a virtual host again by itself, and may come first.
    if (mayBeDark) expect(named).toEqual([dark, ['queueDown', 'rabbitmq-1', expect.stringContaining(queue)]])
    else expect([[], [dark]]).toContainEqual(named)

    const well: Fact = async (signal) => {
      const status = await cluster.status()
      if (status.troubles?.length !== 0) return JSON.stringify(status.troubles)
      // While the node ends, nobody can see its queues' trouble.
      const same = pids(status).get('rabbitmq-1') === before.get('rabbitmq-1')
      return mayBeDark && same ? 'rabbitmq-1 has not been restarted' : cluster.whole(signal)
    }
    await waitFor('both repaired', well, { timeoutMs: 90_000, intervalMs: 500 })
    const after = pids(await cluster.status())
    expect([2, 3].map((node) => after.get(`rabbitmq-${node}`))).toEqual(
      [2, 3].map((node) => before.get(`rabbitmq-${node}`)),
    )
    if (!mayBeDark) return
    expect(lines).toContainEqual(expect.stringMatching(/The virtual host \/ does not run on rabbitmq-2.*Starting it/))
    expect(lines).toContainEqual(expect.stringMatching(/queue user\.dark\.s .* down.*Restarting rabbitmq-1/))
    expect(after.get('rabbitmq-1')).not.toBe(before.get('rabbitmq-1'))
  }, 240_000)

  it('leaves nothing behind when it stops, and starts again on its old data', async () => {
    await cluster.stop()
    await cluster.stop()
    expect(cluster.state).toBe('stopped')
    await expectNothingLeft(dir, plan)
    await expect(readStatus(dir)).rejects.toMatchObject({
      code: 'NOT_RUNNING',
      message: `Warren is not running in ${dir}: start it with npm start`,
    })
    await cluster.start()
    expect(await deadLetterMembers()).toEqual([3, 3])
    await cluster.stop()
    await expectNothingLeft(dir, plan)
  }, 240_000)
})

describe('a start that cannot succeed', () => {
  it('names every taken port, what it is for and its setting, and undoes itself', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'warren-test-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const block = await freePortBlock()
    const taken = [block.edge, ports.store(block)]
    const servers = await Promise.all(
      taken.map(
        (port) =>
          new Promise<ReturnType<typeof createServer>>((resolve) => {
            const server = createServer().listen(port, '127.0.0.1', () => resolve(server))
          }),
      ),
    )
    onTestFinished(() => void servers.map((server) => server.close()))
    const refused = new Cluster(optionsFor(folder, block))
    const problem: unknown = await refused.start().catch((each: unknown) => each)
    expect(problem).toMatchObject({ code: 'PORT_TAKEN' })
    expect(String(problem)).toContain(`${block.edge} (HAProxy's HTTP edge; WARREN_EDGE_PORT moves it)`)
    expect(String(problem)).toContain(`${ports.store(block)} (the result store; WARREN_PORT_BASE moves it)`)
    expect(refused.state).toBe('stopped')
    expect(processesOf(folder)).toEqual([])
  })

  it('names what is not installed, and how to install it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'warren-test-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const env = { ...process.env, WARREN_RABBITMQ_HOME: '/nowhere' }
    await expect(new Cluster(optionsFor(folder, plan, { env })).start()).rejects.toMatchObject({
      code: 'BINARY_MISSING',
      message: expect.stringContaining('apt-get install -y --no-install-recommends rabbitmq-server'),
    })
  })

  it('lists every wrong option at once', () => {
    expect(() => new Cluster({ workers: -1, portBase: 80, wrokers: 3 } as ClusterOptions)).toThrow(
      /unknown option `wrokers`, did you mean `workers`\?.*`workers` to be an integer from 0.*`portBase`/,
    )
  })
})

describe('a launcher that was killed', () => {
  it('leaves processes that the next start ends; that start can be stopped half-way', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'warren-test-'))
    const block = await freePortBlock()
    const options = optionsFor(folder, block, { prometheus: false })
    const script = join(repositoryRoot(), 'test', 'support', 'launchAndWait.mjs')
    const entry = join(repositoryRoot(), 'dist', 'cluster', 'index.js')
    const launcher = spawn(process.execPath, [script, JSON.stringify(options), entry], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    launcher.stdout.on('data', (chunk) => {
      said += chunk
    })
    // Killed as soon as all kinds of process are there: forming the cluster first would only cost time.
    const run = () => (existsSync(join(folder, 'run')) ? readdirSync(join(folder, 'run')) : [])
    await waitFor(
      'the launcher under way',
      async () => (run().includes('rabbitmq-1.json') && run().includes('haproxy.json') ? undefined : said),
      { timeoutMs: 20_000 },
    )
    const gone = new Promise((resolve) => launcher.once('exit', resolve))
    launcher.kill('SIGKILL')
    await gone
    const next = new Cluster(options)
    onTestFinished(async () => {
      await next.stop()
      rmSync(folder, { recursive: true, force: true })
    }, 60_000)
    expect(processesOf(folder).length).toBeGreaterThanOrEqual(4)

    const lines: string[] = []
    next.on('progress', (line) => lines.push(line))
    const started = next.start()
    const outcome = started.catch((problem: unknown) => problem)
    await waitFor('the next start under way', async () => (next.names().length > 0 ? undefined : lines.join()), {
      timeoutMs: 40_000,
    })
    expect(lines.join('\n')).toMatch(/an earlier launcher was killed and left processes behind.*rabbitmq-1 \(\d+\)/)
    await next.stop()
    expect(await outcome).toMatchObject({ code: 'INTERRUPTED' })
    await expectNothingLeft(folder, block)
  }, 240_000)
})

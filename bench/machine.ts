/** What stands beside every figure: the machine, its disk, and the version of everything that takes part. */
import { execFileSync } from 'node:child_process'
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'iovalkey'
import { repositoryRoot } from '../cluster/index.js'
import { serverVersion } from '../drills/broker.js'
import type { Ground } from './ground.js'
import { BULLMQ_FOLDER } from './rivals/bullmq.js'
import { median, quantile } from './statistics.js'

export interface Environment {
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memoryGiB: number
    readonly system: string
    /** Processes that ran or wanted to, in the minute before. */
    readonly loadBefore: number
  }
  /** 4 KiB written and synced, in milliseconds: what a broker waits for that keeps its word. */
  readonly fsyncMs: { readonly median: number; readonly p99: number }
  readonly versions: Readonly<Record<string, string>>
  readonly cluster: string
}

const CLUSTER =
  'three RabbitMQ nodes as one cluster, HAProxy in front, one store (append-only file, synced once a second), all clients and workers, on one machine'

export async function environment(ground: Ground): Promise<Environment> {
  const [model] = cpus()
  return {
    machine: {
      cpu: model?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${systemName()}, Linux ${release()}`,
      loadBefore: loadavg()[0] ?? 0,
    },
    fsyncMs: fsyncLatency(ground.cluster.dir),
    versions: await versions(ground),
    cluster: CLUSTER,
  }
}

function systemName(): string {
  return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown'
}

/** On the file system that the cluster writes to. */
function fsyncLatency(folder: string): { median: number; p99: number } {
  const file = join(folder, 'fsync-probe')
  const descriptor = openSync(file, 'w')
  const block = Buffer.alloc(4096)
  const took: number[] = []
  for (let index = 0; index < 200; index++) {
    const from = performance.now()
    writeSync(descriptor, block)
    fdatasyncSync(descriptor)
    took.push(performance.now() - from)
  }
  closeSync(descriptor)
  rmSync(file)
  return { median: median(took), p99: quantile(took, 0.99) }
}

async function versions({ cluster }: Ground): Promise<Record<string, string>> {
  const store = new Redis(cluster.addresses.results)
  const info = await store.info('server')
  store.disconnect()
  return {
    warren: [packageVersion(repositoryRoot()), commit()].filter(Boolean).join(', '),
    node: process.versions.node,
    rabbitmq: await serverVersion(cluster.brokerUrl('admin')),
    erlang: said('erl', ['-noshell', '-eval', 'io:put_chars(erlang:system_info(otp_release)), halt().']) ?? 'unknown',
    store: /^valkey_version:(\S+)/m.exec(info)?.[1] ?? `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1]}`,
    haproxy: said('haproxy', ['-v'])?.match(/version (\S+)/)?.[1] ?? 'unknown',
    amqplib: packageVersion(join(repositoryRoot(), 'node_modules', 'amqplib')),
    iovalkey: packageVersion(join(repositoryRoot(), 'node_modules', 'iovalkey')),
    bullmq: packageVersion(join(BULLMQ_FOLDER, 'node_modules', 'bullmq')),
    celery: said('/usr/bin/python3', ['-c', 'import celery; print(celery.__version__)']) ?? 'not installed',
    python: said('/usr/bin/python3', ['-c', 'import platform; print(platform.python_version())']) ?? 'not installed',
  }
}

function packageVersion(folder: string): string {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version
  } catch {
    return 'not installed'
  }
}

/** The commit that the sources are of, where there is a clone; `+` when they were changed since. */
function commit(): string | undefined {
  const git = (...args: string[]) => said('git', ['-C', repositoryRoot(), ...args])
  const hash = git('rev-parse', '--short', 'HEAD')
  return hash === undefined ? undefined : `${hash}${git('status', '--porcelain', '--', 'src') ? '+' : ''}`
}

/** What a command prints, or undefined when it cannot be run or fails. */
function said(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

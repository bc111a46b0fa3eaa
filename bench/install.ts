/**
 * Rivals that are not there yet, installed from where a user has them: BullMQ from npm into a folder of its own, so that
 * the library's dependencies stay what they are; Celery by `scripts/setup.mjs --tests` from the system's packages.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../cluster/index.js'
import type { Measure } from './measures/measure.js'
import { BULLMQ_FOLDER } from './rivals/bullmq.js'
import { POSTGRES_FOLDER } from './rivals/postgres.js'

const CI = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']

export function installRivals(measures: readonly Measure[], say: (line: string) => void): void {
  const needed = new Set(measures.flatMap(({ needs }) => needs))
  if (needed.has('bullmq') && !existsSync(join(BULLMQ_FOLDER, 'node_modules', 'bullmq'))) {
    say('installing BullMQ from npm')
    run('npm', CI, BULLMQ_FOLDER)
  }
  if (needed.has('postgres') && !existsSync(join(POSTGRES_FOLDER, 'node_modules', 'pg-boss'))) {
    say('installing graphile-worker and pg-boss from npm')
    run('npm', CI, POSTGRES_FOLDER)
  }
  if (needed.has('celery') && !celeryIsThere()) {
    run(process.execPath, [join(repositoryRoot(), 'scripts', 'setup.mjs'), '--tests', '--quiet'], repositoryRoot())
  }
}

function celeryIsThere(): boolean {
  return spawnSync('/usr/bin/python3', ['-c', 'import celery, redis'], { stdio: 'ignore' }).status === 0
}

function run(command: string, args: readonly string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 2, 2] })
}

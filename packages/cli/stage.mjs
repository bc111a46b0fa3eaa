// Before `npm pack`, puts beside this file what the package takes from the repository; with --remove, takes it away again.
// Folders stand to each other as in the repository, so that the same code finds its files in both.
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = join(HERE, '../..')

const BUILT = ['cli', 'cluster', 'console', 'demo', 'doctor', 'drills', 'monitoring']
/** Those of compose alone, and the passwords of a demo, stay behind; types are for what is imported, the console. */
const LEFT_OUT = /\/config\/(grafana|secrets)(\/|$)|\.map$|(?<!\/console\/(index|options))\.d\.ts$/

for (const each of ['dist', 'config', 'console', 'LICENSE']) rmSync(join(HERE, each), { recursive: true, force: true })

if (!process.argv.includes('--remove')) {
  const { status } = spawnSync(process.execPath, [join(ROOT, 'scripts/setup.mjs'), '--quiet'], {
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) process.exit(1)
  const filter = (source) => !LEFT_OUT.test(source.replaceAll('\\', '/'))
  for (const each of BUILT) cpSync(join(ROOT, 'dist', each), join(HERE, 'dist', each), { recursive: true, filter })
  for (const each of ['config', 'console/page']) cpSync(join(ROOT, each), join(HERE, each), { recursive: true, filter })
  copyFileSync(join(ROOT, 'LICENSE'), join(HERE, 'LICENSE'))
}

// Writes the repository's address into the manifest of every package, before it is published:
// `node scripts/set-repository.mjs OWNER/NAME [FOLDER]`. npm resolves the README's relative links against this address, and
// provenance requires that it is the repository that publishes. The publish workflow knows both; a fork needs no change.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [name = '', root = dirname(dirname(fileURLToPath(import.meta.url)))] = process.argv.slice(2)
if (!/^[\w.-]+\/[\w.-]+$/.test(name)) {
  process.stderr.write(`set-repository: expected OWNER/NAME, got: ${name || 'nothing'}\n`)
  process.exit(2)
}

const address = `https://github.com/${name}`
const packages = readdirSync(join(root, 'packages')).map((each) => `packages/${each}`)
for (const directory of ['', ...packages]) {
  const path = join(root, directory, 'package.json')
  if (!existsSync(path)) continue
  const { name: own, version, description, keywords, ...rest } = JSON.parse(readFileSync(path, 'utf8'))
  const repository = { type: 'git', url: `git+${address}.git`, ...(directory === '' ? {} : { directory }) }
  const links = {
    homepage: `${address}${directory === '' ? '' : `/tree/HEAD/${directory}`}#readme`,
    bugs: `${address}/issues`,
    repository,
  }
  writeFileSync(path, `${JSON.stringify({ name: own, version, description, keywords, ...links, ...rest }, null, 2)}\n`)
}

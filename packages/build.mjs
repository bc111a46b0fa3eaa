// Before `npm pack`, builds packages of this folder and puts beside them what they take from the repository:
// `node packages/build.mjs outbox nestjs`. The code stands in dist/esm; dist/cjs is the door for CommonJS, as the library
// has one (scripts/setup.mjs says why).
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = dirname(HERE)

// Their types come from the library as it is installed.
run(join(ROOT, 'scripts/setup.mjs'), '--quiet')
for (const name of process.argv.slice(2)) {
  const folder = join(HERE, name)
  copyFileSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
  // A template is packed as it is.
  if (!existsSync(join(folder, 'tsconfig.build.json'))) continue
  rmSync(join(folder, 'dist'), { recursive: true, force: true })
  run(join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(folder, 'tsconfig.build.json'))
  openToCommonJs(join(folder, 'dist/esm'), join(folder, 'dist/cjs'))
}

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(1)
}

function openToCommonJs(from, to) {
  cpSync(from, to, { recursive: true, filter: (path) => statSync(path).isDirectory() || path.endsWith('.d.ts') })
  writeFileSync(join(to, 'package.json'), '{ "type": "commonjs" }\n')
  const door = "const all = require('../esm/index.js')\nmodule.exports = all\n"
  writeFileSync(join(to, 'index.js'), door)
  // Never run, and read by Node: the names that `import` finds in a CommonJS module.
  const names = Object.keys(createRequire(import.meta.url)(join(to, 'index.js'))).filter((each) => /^\w+$/.test(each))
  writeFileSync(join(to, 'index.js'), `${door}0 && (module.exports = { ${names.join(', ')} })\n`)
}

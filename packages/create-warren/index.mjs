#!/usr/bin/env node
// `npm create warren [folder]`: copies the template into a new folder. Exits 0 done, 1 when it could not, 2 used wrongly.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const USAGE = `Usage: npm create warren [folder]

Creates an application with a worker, a producer, tests, a compose file and a Dockerfile.
The folder must be new or empty. Default: warren-app.
`
/** npm leaves out files of these names, or renames them, when it packs. */
const DOTTED = ['gitignore', 'dockerignore']

const given = process.argv.slice(2)
if (given.includes('--help') || given.includes('-h')) {
  process.stdout.write(USAGE)
} else if (given.length > 1 || given[0]?.startsWith('-')) {
  end(`expected one folder, got: ${given.join(' ')}\n\n${USAGE}`, 2)
} else {
  create(resolve(given[0] ?? 'warren-app'))
}

function create(folder) {
  const name = packageName(basename(folder))
  if (name === undefined)
    end(`a package cannot be named after the folder ${basename(folder)}: use letters, digits and -`, 2)
  try {
    if (existsSync(folder) && readdirSync(folder).some((each) => each !== '.git')) {
      end(`${folder} is not empty: name a new folder`, 1)
    }
    mkdirSync(folder, { recursive: true })
    cpSync(fileURLToPath(new URL('./template', import.meta.url)), folder, { recursive: true })
    for (const each of DOTTED) renameSync(join(folder, each), join(folder, `.${each}`))
    const manifest = join(folder, 'package.json')
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"name": "warren-app"', `"name": "${name}"`))
  } catch (error) {
    end(error.message, 1)
  }
  const path = relative(process.cwd(), folder)
  process.stdout.write(`Created ${name}. Next:

  ${path === '' ? '' : `cd ${path}\n  `}npm install
  docker compose up -d rabbitmq valkey    # or use your own RabbitMQ and Valkey or Redis
  npm run worker                          # in one terminal
  npm run send                            # in another

See README.md for the next steps.
`)
}

/** A valid package name, or undefined. */
function packageName(folder) {
  const name = folder.toLowerCase().replace(/[\s_.]+/g, '-')
  return /^[a-z0-9][a-z0-9-]{0,200}$/.test(name) ? name : undefined
}

function end(message, code) {
  process.stderr.write(`create-warren: ${message.trimEnd()}\n`)
  process.exit(code)
}

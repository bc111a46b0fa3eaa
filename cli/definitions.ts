/** `warren definitions`: RabbitMQ's definitions for the demo, made from the topology in TypeScript: to read, to keep, to load. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import { textOf } from 'warren'
import { Failure } from './failure.js'
import type { Output, Verdict } from './output.js'
import { packageRoot } from './version.js'

export function addDefinitions(program: Command, { out }: Output, _verdict: Verdict): void {
  program
    .command('definitions')
    .description("print RabbitMQ's definitions (users, dead letters, policies) as JSON")
    .addOption(new Option('--write', 'update config/rabbitmq/definitions.json').conflicts(['check', 'load']))
    .option('--check', 'exit with 1 when config/rabbitmq/definitions.json differs from the code')
    .addOption(
      new Option('--load <url>', "load them into RabbitMQ, by its management page's address").conflicts('check'),
    )
    .addHelpText(
      'after',
      `
Passwords come from WARREN_ADMIN_PASSWORD, WARREN_OPERATOR_PASSWORD, WARREN_SERVICE_PASSWORD and
WARREN_CLIENT_PASSWORD, or from the files admin_password and so on in the folder WARREN_SECRETS_DIR, and are written
as salted hashes. --load signs in as admin.

Examples:
  warren definitions                   print them
  warren definitions --write           after a change in demo/topology.ts
  warren definitions --load http://127.0.0.1:8000/rabbitmq`,
    )
    .action(async (options: { write?: true; check?: true; load?: string }) => {
      const { demoDefinitions, users } = await import('../demo/topology.js')
      // The committed file is the one for the built-in passwords and queue types, whatever the environment says.
      const committed = options.write || options.check
      const text = `${JSON.stringify(demoDefinitions(committed ? {} : process.env), null, 2)}\n`
      const path = join(packageRoot(), 'config', 'rabbitmq', 'definitions.json')
      if (options.write) {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, text)
        out(`Wrote ${path}\n`)
      } else if (options.check) {
        if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
          throw new Failure(`${path} differs from demo/topology.ts: run warren definitions --write`)
        }
        out(`${path} is what the code says\n`)
      } else if (options.load !== undefined) {
        const { password = '' } = users().find(({ name }) => name === 'admin') ?? {}
        await load(options.load, password, text)
        out(`RabbitMQ has them\n`)
      } else {
        out(text)
      }
    })
}

/** The same again changes nothing. */
async function load(address: string, password: string, body: string): Promise<void> {
  const url = `${address.replace(/\/+$/, '')}/api/definitions`
  const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  const headers = { authorization, 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(30_000)
  const response = await fetch(url, { method: 'POST', headers, body, signal }).catch((cause: unknown) => {
    throw new Failure(`Cannot load the definitions: ${url} does not answer (${textOf(cause)})`)
  })
  if (!response.ok)
    throw new Failure(
      `Cannot load the definitions: ${url} answered ${response.status} ${(await response.text()).slice(0, 300)}`,
    )
}

/** `warren definitions`: RabbitMQ's definitions file for the demo, made from the topology in TypeScript. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import { Failure } from './failure.js'
import type { Output, Verdict } from './program.js'
import { packageRoot } from './version.js'

export function addDefinitions(program: Command, { out }: Output, _verdict: Verdict): void {
  program
    .command('definitions')
    .description("print RabbitMQ's definitions (users, dead letters, policies) as JSON")
    .addOption(new Option('--write', 'update config/rabbitmq/definitions.json').conflicts('check'))
    .option('--check', 'exit with 1 when config/rabbitmq/definitions.json differs from the code')
    .addHelpText(
      'after',
      `
Passwords come from WARREN_ADMIN_PASSWORD, WARREN_OPERATOR_PASSWORD, WARREN_SERVICE_PASSWORD and
WARREN_CLIENT_PASSWORD, and are written as salted hashes.

Examples:
  warren definitions                   print them
  warren definitions --write           after a change in demo/topology.ts`,
    )
    .action(async (options: { write?: true; check?: true }) => {
      const { demoDefinitions } = await import('../demo/topology.js')
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
      } else {
        out(text)
      }
    })
}

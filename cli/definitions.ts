/**
 * `warren definitions`: prints, saves or loads the definitions that an operator creates in RabbitMQ, generated from task
 * definitions. For the demo, or with `--module` for the tasks of an application.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import { definitions, joinPlans, planDelays, planOperator } from 'warren'
import { Failure } from './failure.js'
import { loadDefinitions } from './loadDefinitions.js'
import { readModuleTasks } from './moduleTasks.js'
import type { Output, Verdict } from './output.js'
import { packageRoot } from './version.js'

interface DefinitionsOptions {
  readonly module?: readonly string[]
  readonly service?: string
  readonly vhost?: string
  readonly write?: true
  readonly check?: true
  readonly load?: string
  readonly rebalance?: true
}

export function addDefinitions(program: Command, { out }: Output, _verdict: Verdict): void {
  program
    .command('definitions')
    .description(
      'print the definitions that an operator creates in RabbitMQ (dead letters, policies, delay levels) as JSON',
    )
    .addOption(
      new Option('--module <file...>', 'modules that export your tasks, instead of the demo').conflicts([
        'write',
        'check',
      ]),
    )
    .option('--service <name>', 'with --module: the service that handles the tasks, as in warren.worker({ service })')
    .option('--vhost <name>', 'with --module: the virtual host (default: /)')
    .addOption(new Option('--write', 'update config/rabbitmq/definitions.json').conflicts(['check', 'load']))
    .option('--check', 'exit with 1 if config/rabbitmq/definitions.json differs from the code')
    .addOption(
      new Option('--load <url>', 'load the definitions into RabbitMQ, at the address of its management page').conflicts(
        'check',
      ),
    )
    .option('--rebalance', 'with --load: spread the leaders of all queues across the nodes afterwards')
    .addHelpText(
      'after',
      `
--load signs in as the user in the address, or as admin, who must be an administrator.

The demo's definitions include its users. Their passwords come from WARREN_ADMIN_PASSWORD, WARREN_OPERATOR_PASSWORD,
WARREN_SERVICE_PASSWORD and WARREN_CLIENT_PASSWORD, or from the files admin_password and so on in the folder
WARREN_SECRETS_DIR, and are written as salted hashes.

A module may also export retention by task name: { 'image.resize': { ttlMs: 3_600_000, deliveryLimit: 5 } }.

Examples:
  warren definitions                   print the demo's definitions
  warren definitions --write           after a change in demo/topology.ts
  warren definitions --load http://127.0.0.1:8000/rabbitmq
  warren definitions --module dist/tasks.js --service imgshop --load http://admin:password@127.0.0.1:15672`,
    )
    .action(async (options: DefinitionsOptions) => {
      if (options.rebalance && options.load === undefined) {
        throw new Failure('--rebalance is for --load only', { exitCode: 2 })
      }
      if (options.module === undefined) {
        for (const name of ['service', 'vhost'] as const) {
          if (options[name] !== undefined) throw new Failure(`--${name} is for --module only`, { exitCode: 2 })
        }
        return demo(options, out)
      }
      const own = await ownDefinitions(options.module, options)
      if (options.load === undefined) {
        out(own)
        return
      }
      await loadDefinitions(options.load, await adminPassword(), own, options)
      out(`Loaded into RabbitMQ: ${summary(own)}\n`)
    })
}

async function ownDefinitions(files: readonly string[], { service, vhost }: DefinitionsOptions): Promise<string> {
  if (!service) {
    throw new Failure('expected --service with --module: the service name of the worker', { exitCode: 2 })
  }
  if (!/^[A-Za-z0-9_.-]{1,50}$/.test(service)) {
    const expected = 'expected up to 50 letters, digits, _, . and -'
    throw new Failure(`--service is ${JSON.stringify(service)}, ${expected}`, { exitCode: 2 })
  }
  const { tasks, retention } = await readModuleTasks(files)
  const plan = joinPlans(planOperator(service, tasks, retention), planDelays())
  return `${JSON.stringify(definitions(plan, [], vhost), null, 2)}\n`
}

function summary(text: string): string {
  const { exchanges, queues, policies } = JSON.parse(text) as Record<string, readonly { name: string }[]>
  const own = (exchanges ?? []).map(({ name }) => name).filter((name) => !name.startsWith('warren.delay.'))
  return `${own.join(', ')}, ${queues?.length} queues, ${policies?.length} policies`
}

async function adminPassword(): Promise<string> {
  const { users } = await import('../demo/topology.js')
  return users().find(({ name }) => name === 'admin')?.password ?? ''
}

async function demo(options: DefinitionsOptions, out: Output['out']): Promise<void> {
  const { demoDefinitions } = await import('../demo/topology.js')
  // The committed file uses the built-in passwords and queue types, whatever the environment.
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
    out(`${path} matches the code\n`)
  } else if (options.load !== undefined) {
    await loadDefinitions(options.load, await adminPassword(), text, options)
    out(`RabbitMQ has them\n`)
  } else {
    out(text)
  }
}

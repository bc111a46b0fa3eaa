/** `warren client`: the demo's client against the running cluster. Its command line is the demo's own. */
import type { Command } from 'commander'
import type { Output, Verdict } from './output.js'

export function addClient(program: Command, _output: Output, verdict: Verdict): void {
  program
    .command('client')
    .description('send N tasks of SECONDS each and wait for their results')
    .usage('[--quorum] [--random] [--repeat-after S] [--time] [--json] N SECONDS')
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: string[]) => {
      const { addressesFrom, client } = await import('../demo/client.js')
      const { runningAddresses } = await import('./running.js')
      verdict(
        await client(words, async (dir) => {
          const { broker, results } = addressesFrom(process.env)
          if (broker !== undefined && results !== undefined) return { broker, results }
          return { ...(await runningAddresses('client', dir)), ...(broker && { broker }), ...(results && { results }) }
        }),
      )
    })
}

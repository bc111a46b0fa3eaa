import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManagedProcess } from '../../cluster/managedProcess.js'
import type { ProcessDefinition } from '../../cluster/processDefinition.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warren-process-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Says `passing fault` and ends in its first `faults` lives; after that it stays. */
function stumbling(faults: number, more: Partial<ProcessDefinition> = {}): ManagedProcess {
  const script = `
    const { existsSync, writeFileSync } = require('node:fs')
    for (let life = 1; life <= ${faults}; life++) {
      if (existsSync('life-' + life)) continue
      writeFileSync('life-' + life, '')
      console.log('passing fault')
      process.exit(1)
    }
    writeFileSync('ready', '')
    setInterval(() => {}, 1000)`
  return new ManagedProcess({
    name: 'stumbling',
    kind: 'worker',
    ports: [],
    logFile: join(folder, 'log'),
    pidFile: join(folder, 'pid'),
    launch: () => ({ command: process.execPath, args: ['-e', script], env: process.env, cwd: folder }),
    ready: async () => (existsSync(join(folder, 'ready')) ? undefined : 'not yet'),
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 10_000,
    repeatSigterm: false,
    supervised: false,
    ...more,
  })
}

describe('A process that ends while it starts', () => {
  it('is started again when the fault is known to pass, and each of its starts is counted', async () => {
    const process = stumbling(2, { passingFault: (log) => log.includes('passing fault') })
    await process.start()
    expect(process.status()).toMatchObject({ state: 'running', restarts: 2 })
    await process.stop()
  })

  it('is given up when the fault does not pass', async () => {
    const process = stumbling(10, { passingFault: (log) => log.includes('passing fault') })
    await expect(process.start()).rejects.toMatchObject({ code: 'PROCESS_EXITED' })
    expect(process.status()).toMatchObject({ state: 'exited', restarts: 2 })
  })

  it('is given up at once for any other fault, with the end of its log', async () => {
    const process = stumbling(1, { passingFault: (log) => log.includes('another fault') })
    await expect(process.start()).rejects.toThrow(/exited with code 1\n +passing fault/)
    expect(process.status()).toMatchObject({ state: 'exited', restarts: 0 })
  })

  it('can be stopped between two starts', async () => {
    const process = stumbling(10, { passingFault: (log) => log.includes('passing fault') })
    const interrupted = expect(process.start()).rejects.toMatchObject({ code: 'INTERRUPTED' })
    await new Promise<void>((resolve) => process.on('state', ({ state }) => state === 'exited' && resolve()))
    await process.stop()
    await interrupted
    expect(process.status()).toMatchObject({ state: 'stopped' })
  })
})

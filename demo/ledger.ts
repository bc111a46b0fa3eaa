/**
 * The ledger of handler runs: records what every worker process did with every task, so that a drill can prove that nothing was
 * lost. One append-only file of JSON lines for each process in the folder `WARREN_LEDGER_DIR`.
 *
 * Each line is written with one synchronous write to a file opened for appending, before the event goes on: a process killed
 * with SIGKILL loses no line that it reached; at most the last line is incomplete.
 */
import { closeSync, createReadStream, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** `started`: the attempt began; `finished`: it ended, with its outcome; `settled`: its message was dealt with. */
export type LedgerEvent = 'started' | 'finished' | 'settled'

export interface LedgerLine {
  readonly event: LedgerEvent
  readonly id: string
  readonly task: string
  readonly attempt: number
  readonly worker: string
  /** How the attempt ended; only on `finished` and `settled`. */
  readonly outcome?: string
  /** Only on `settled`: `acknowledged`, `returned` to the queue, or `lost` with its channel. */
  readonly settled?: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** One process's ledger, made by {@link openLedger}. */
export interface Ledger {
  readonly path: string
  write(line: Omit<LedgerLine, 'worker' | 'at'>): void
  close(): void
}

export function openLedger(folder: string, worker: string, now: () => number = Date.now): Ledger {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${worker}.${process.pid}.ndjson`)
  const file = openSync(path, 'a')
  return {
    path,
    write: (line) => {
      writeSync(file, `${JSON.stringify({ ...line, worker, at: now() })}\n`)
    },
    close: () => closeSync(file),
  }
}

/** Every line of every worker's file in a folder, file by file. An incomplete last line, left by a kill, is skipped. */
export async function* readLedger(folder: string): AsyncGenerator<LedgerLine> {
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith('.ndjson')) continue
    for await (const text of createInterface({ input: createReadStream(join(folder, name)), crlfDelay: Infinity })) {
      const line = parseLine(text)
      if (line !== undefined) yield line
    }
  }
}

function parseLine(text: string): LedgerLine | undefined {
  try {
    return JSON.parse(text) as LedgerLine
  } catch {
    return undefined
  }
}

/** The ledger's summary of one task id. */
export interface Runs {
  readonly task: string
  started: number
  finished: number
  /** How often the message was acknowledged. */
  acknowledged: number
  /** How often an attempt ended, by outcome. */
  readonly outcomes: Record<string, number>
  readonly workers: Set<string>
}

/** Sums up ledger lines by task id. */
export async function sumRuns(lines: Iterable<LedgerLine> | AsyncIterable<LedgerLine>): Promise<Map<string, Runs>> {
  const runs = new Map<string, Runs>()
  for await (const line of lines) {
    let sum = runs.get(line.id)
    if (sum === undefined) {
      sum = { task: line.task, started: 0, finished: 0, acknowledged: 0, outcomes: {}, workers: new Set() }
      runs.set(line.id, sum)
    }
    if (line.event !== 'settled') sum[line.event]++
    else if (line.settled === 'acknowledged') sum.acknowledged++
    sum.workers.add(line.worker)
    if (line.event === 'finished' && line.outcome !== undefined) {
      sum.outcomes[line.outcome] = (sum.outcomes[line.outcome] ?? 0) + 1
    }
  }
  return runs
}

/** Totals over all ids. `repeated` ids were started more than once; `unfinished` ones started and never finished. */
export interface LedgerTotals {
  readonly ids: number
  readonly started: number
  readonly finished: number
  readonly repeated: number
  readonly unfinished: number
}

export function totals(runs: ReadonlyMap<string, Runs>): LedgerTotals {
  const sum = { ids: runs.size, started: 0, finished: 0, repeated: 0, unfinished: 0 }
  for (const { started, finished } of runs.values()) {
    sum.started += started
    sum.finished += finished
    if (started > 1) sum.repeated++
    if (finished === 0) sum.unfinished++
  }
  return sum
}

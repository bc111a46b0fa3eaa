/** Where the time of clients and workers went, from the profiles that Node took of them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples: readonly number[]
  /** Microseconds from each sample to the next. */
  readonly timeDeltas: readonly number[]
}

const SHOWN_PLACES = 12
const SHOWN_FUNCTIONS = 15

/** One paragraph for each part of each rival; its processes are taken together. */
export function profileReport(folder: string): string {
  const parts = new Map<string, CpuProfile[]>()
  for (const name of readdirSync(folder).sort()) {
    const part = name.replace(/-\d+\.cpuprofile$/, '')
    const profile = JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile
    parts.set(part, [...(parts.get(part) ?? []), profile])
  }
  return [...parts].map(([part, profiles]) => `${part}\n${summary(profiles)}`).join('\n\n')
}

/** Shares of the time that the processes were not idle, by package or file, and by function. */
export function summary(profiles: readonly CpuProfile[]): string {
  const byPlace = new Map<string, number>()
  const byFunction = new Map<string, number>()
  let busy = 0
  const add = (map: Map<string, number>, key: string, time: number) => map.set(key, (map.get(key) ?? 0) + time)
  for (const { nodes, samples, timeDeltas } of profiles) {
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
    samples.forEach((id, index) => {
      const frame = frames.get(id)
      const time = timeDeltas[index] ?? 0
      if (frame === undefined || frame.functionName === '(idle)') return
      busy += time
      const place = placeOf(frame)
      add(byPlace, place, time)
      add(byFunction, `${frame.functionName || '(anonymous)'} in ${place}`, time)
    })
  }
  const lines = (map: Map<string, number>, count: number) =>
    [...map]
      .sort(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([key, time]) => `  ${((time / busy) * 100).toFixed(1).padStart(5)} %  ${key}`)
  return [...lines(byPlace, SHOWN_PLACES), '', ...lines(byFunction, SHOWN_FUNCTIONS)].join('\n')
}

/** `amqplib`, `src/producer.js`, `node:net`, or what V8 calls its own work: `(garbage collector)`, `(program)`. */
function placeOf({ functionName, url }: { readonly functionName: string; readonly url: string }): string {
  if (url === '') return functionName.startsWith('(') ? functionName : 'V8'
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules\/)/.exec(url)?.[1]
  if (dependency !== undefined) return dependency
  return /\/(?:dist\/)?((?:src|bench|cluster)\/.*)$/.exec(url)?.[1] ?? url
}

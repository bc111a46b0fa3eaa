/** Takes a CPU profile of this process, from now on until it is asked for: what comes before, the loading, is left out. */
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

/** Gives what ends the profile and writes it to `file`. */
export async function startProfile(file: string): Promise<() => Promise<void>> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  return async () => {
    const { profile } = await session.post('Profiler.stop')
    writeFileSync(file, JSON.stringify(profile))
  }
}

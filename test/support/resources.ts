const OF_VITEST: ReadonlySet<string> = new Set(['PipeWrap', 'MessagePort', 'TTYWrap', 'Immediate', 'CloseReq'])

/** What keeps this process alive, counted by kind; pipes and ports to vitest itself are left out. */
export function resourcesHeld(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) {
    if (!OF_VITEST.has(kind)) counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

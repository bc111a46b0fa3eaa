/**
 * What monitoring/ makes is what config/ holds, and hangs together. That its queries return data is tested on a real cluster, in
 * test/faults/monitoring.test.ts. After a change: npx vitest run --project unit test/unit/dashboards.test.ts -u
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard'
import { describe, expect, it } from 'vitest'
import { alertRules, alerts } from '../../monitoring/alerts.js'
import { dashboards, files } from '../../monitoring/files.js'
import { exposition, FIGURES } from '../../monitoring/storeExporter.js'

const isPanel = (each: Panel | RowPanel): each is Panel => each.type !== 'row'
const panelsOf = ({ panels = [] }: { panels?: (Panel | RowPanel)[] }): Panel[] => panels.filter(isPanel)

describe('Generated files', () => {
  it.each([...files()])('config/%s is what the code says', async (path, text) => {
    await expect(text).toMatchFileSnapshot(`../../config/${path}`)
  })

  it('are all that Grafana is given', () => {
    const made = [...files().keys()].flatMap((path) => /^grafana\/dashboards\/(.+)$/.exec(path)?.[1] ?? [])
    expect(readdirSync(new URL('../../config/grafana/dashboards', import.meta.url)).sort()).toEqual(made.sort())
  })
})

describe('Dashboards', () => {
  it.each(dashboards().map((each) => [each.uid, each] as const))('%s: each panel says what it shows', (_, board) => {
    const panels = panelsOf(board)
    expect(panels.length).toBeGreaterThan(5)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
    for (const { title, description, targets, datasource } of panels) {
      expect(description, title).toMatch(/.{5}/)
      expect(targets?.length, title).toBeGreaterThan(0)
      expect(datasource, title).toEqual({ type: 'prometheus', uid: 'prometheus' })
    }
  })

  it('lead from the system to a queue and from there to a task, by links that exist', () => {
    const uids = dashboards().map(({ uid }) => uid)
    const links = new Map(
      dashboards().map((board) => [
        board.uid,
        new Set([...JSON.stringify(panelsOf(board)).matchAll(/"url":"\/d\/([\w-]+)\?var-(\w+)=/g)].map(([, to]) => to)),
      ]),
    )
    for (const to of [...links.values()].flatMap((each) => [...each])) expect(uids).toContain(to)
    expect([...(links.get('warren') ?? [])].sort()).toEqual(['warren-queue', 'warren-task'])
    expect([...(links.get('warren-queue') ?? [])]).toEqual(['warren-task'])
  })
})

describe('Alerts', () => {
  it('have names of their own, and say what to do', () => {
    expect(new Set(alerts.map(({ name }) => name)).size).toBe(alerts.length)
    for (const { name, summary, action } of alerts) expect(`${summary} ${action}`, name).toMatch(/.{40}/)
  })
})

describe('Runbooks', () => {
  const page = readFileSync(new URL('../../docs/guide/runbooks.md', import.meta.url), 'utf8')
  it('has a section for each alert, and for no other', () => {
    const sections = [...page.matchAll(/^## (.+)$/gm)].map(([, name]) => name)
    expect(sections.sort()).toEqual(alerts.map(({ name }) => name).sort())
  })

  it('is where each alert leads, wherever it is published', () => {
    const links = (rules: ReturnType<typeof alertRules>) =>
      rules.groups.flatMap((group) => group.rules.map(({ annotations }) => annotations.runbook_url))
    const anchors = alerts.map(({ name }) => name.toLowerCase())
    expect(links(alertRules())).toEqual(anchors.map((each) => `docs/guide/runbooks.md#${each}`))
    expect(links(alertRules('https://x.example/y'))).toEqual(anchors.map((each) => `https://x.example/y#${each}`))
  })

  it('docs/guide/monitoring.md lists every alert', () => {
    const guide = readFileSync(new URL('../../docs/guide/monitoring.md', import.meta.url), 'utf8')
    for (const { name } of alerts) expect(guide).toContain(`| \`${name}\` |`)
  })
})

describe('The store exporter', () => {
  const info = [
    '# Server',
    ...FIGURES.map(({ field }, index) => `${field}:${index + 1}`),
    'aof_last_write_status:ok',
    'db0:keys=7,expires=7,avg_ttl=1',
  ].join('\r\n')

  it('says what the store says', () => {
    const text = exposition(info)
    expect(text).toContain('\nredis_up 1\n')
    FIGURES.forEach(({ metric, type }, index) => {
      expect(text).toContain(`# TYPE ${metric} ${type}\n${metric} ${index + 1}\n`)
    })
    expect(text).toContain('\nredis_db_keys{db="db0"} 7\n')
    expect(text).toContain('\nredis_aof_last_write_ok 1\n')
  })

  it('says that a store is away, and nothing else', () => {
    expect(exposition(undefined).match(/^[^#].*$/gm)).toEqual(['redis_up 0'])
  })
})

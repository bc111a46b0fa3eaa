/**
 * The place of each page. Four kinds of pages are kept apart, because their readers want different things. The files stay where
 * they are; the site's addresses follow the kinds. `test/unit/docsSite.test.ts` compares this with the pages.
 */

/** Each page by its file, from the repository's root and without `.md`. Decisions and the API are listed by themselves. */
export interface Group {
  readonly text: string
  readonly pages: readonly string[]
  readonly collapsed?: boolean
}

export interface Section {
  readonly text: string
  /** The first part of its pages' addresses. */
  readonly path: string
  readonly groups: readonly Group[]
}

const guide = (...names: string[]): string[] => names.map((name) => `docs/guide/${name}`)
const howTo = (...names: string[]): string[] => names.map((name) => `docs/how-to/${name}`)

export const sections: readonly Section[] = [
  { text: 'Tutorial', path: 'tutorial', groups: [{ text: 'Tutorial', pages: ['docs/tutorial/index'] }] },
  {
    text: 'How-to',
    path: 'how-to',
    groups: [
      {
        text: 'Tasks',
        pages: guide(
          ...['library', 'delays', 'schedules', 'unique', 'cancel', 'pause', 'limits', 'priority', 'order'],
          ...['batches', 'packs', 'flows', 'progress', 'isolation', 'results', 'history', 'dead-letters'],
        ),
      },
      {
        text: 'In your application',
        pages: [
          ...howTo('web-servers', 'shutdown', 'error-monitoring', 'logging'),
          ...guide('tracing', 'testing'),
          ...howTo('schema-changes', 'renaming-tasks', 'many-services'),
          ...guide('packaging'),
          ...[
            'packages/cli/README',
            'packages/nestjs/README',
            'packages/outbox/README',
            'packages/create-warren/README',
          ],
        ],
      },
      {
        text: 'In production',
        pages: [
          ...howTo('deploy-worker'),
          ...guide('production', 'security', 'kubernetes', 'compose', 'monitoring', 'runbooks', 'doctor', 'console'),
          ...guide('upgrading'),
          ...howTo('troubleshooting'),
        ],
      },
      { text: 'Coming from elsewhere', pages: guide('from-bullmq', 'from-celery', 'celery') },
    ],
  },
  {
    text: 'Reference',
    path: 'reference',
    groups: [
      {
        text: 'Reference',
        pages: [
          'api',
          'options',
          'errors',
          'events',
          'metrics',
          'messages',
          'testing',
          'configuration',
          'cli',
          'glossary',
        ].map((name) => `docs/reference/${name}`),
      },
    ],
  },
  {
    text: 'Explanation',
    path: 'explanation',
    groups: [
      {
        text: 'Warren',
        pages: ['README', ...guide('architecture', 'topology', 'operators', 'drills', 'benchmarks', 'support')],
      },
      { text: 'Project', pages: ['CHANGELOG', 'CONTRIBUTING', 'SECURITY', 'CODE_OF_CONDUCT'] },
    ],
  },
]

/** `docs/guide/limits` is at `how-to/limits`, `packages/outbox/README` at `how-to/outbox`, the README at `explanation/readme`. */
export function addressOf(page: string): string {
  if (page.startsWith('docs/decisions/')) return page.replace('docs/decisions', 'explanation/decisions')
  if (page.startsWith('docs/api/')) return page.replace('docs/api', 'reference/api')
  const section = sections.find(({ groups }) => groups.some(({ pages }) => pages.includes(page)))
  if (section === undefined)
    return page.replace(/^docs\/(guide\/)?/, (_, guide) => (guide === undefined ? '' : 'how-to/'))
  const name = page.replace(/^packages\/(.+)\/README$/, '$1').replace(/^.*\//, '')
  return `${section.path}/${name.toLowerCase()}`
}

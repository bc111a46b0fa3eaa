/** The documentation as a site, made from the Markdown that the repository shows. `npm run docs` builds it. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitepress'
import { checkFragments } from './fragments.js'
import { anchor, copied, linkOf, nav, root, sidebar } from './pages.js'
import { addressOf } from './sections.js'

export default defineConfig({
  title: 'Warren',
  description: 'A task queue for TypeScript on RabbitMQ, for work that must not be lost.',
  lang: 'en-GB',
  // The README, the changelog and the packages' pages are pages of the site, too.
  srcDir: '..',
  srcExclude: [
    ...['.*/**', 'bench/**', 'cli/**', 'cluster/**', 'config/**', 'console/**', 'coverage/**', 'demo/**', 'deploy/**'],
    ...['doctor/**', 'drills/**', 'examples/**', 'fuzz/**', 'monitoring/**', 'scripts/**', 'src/**', 'test/**'],
    'packages/*/!(README).md',
    'packages/*/*/**',
  ],
  rewrites: (page) => `${addressOf(page.replace(/\.md$/, ''))}.md`,
  base: process.env.WARREN_DOCS_BASE ?? '/',
  cleanUrls: false,
  lastUpdated: false,
  markdown: {
    anchor: { slugify: anchor },
    config(md) {
      md.core.ruler.push('warren-links', ({ tokens, env }) => {
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.type === 'link_open' ? token.attrGet('href') : null
          if (href !== null) token.attrSet('href', linkOf(href, env.realPath ?? env.path))
        }
      })
    },
  },
  buildEnd(site) {
    for (const [file, name] of Object.entries(copied)) copyFileSync(join(root, file), join(site.outDir, name))
    checkFragments(site.outDir)
  },
  themeConfig: {
    nav: nav(),
    sidebar: sidebar(),
    outline: { level: [2, 3] },
    search: {
      provider: 'local',
      // Guides come before the pages of single types.
      options: { miniSearch: { searchOptions: { boostDocument: (id) => (id.includes('/api/') ? 0.2 : 1) } } },
    },
  },
})

/** The web examples, with the packages that only they need. Run by `npm run docs`. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const site = (name: string): string => at(`docs/.vitepress/node_modules/${name}`)

export default defineConfig({
  cacheDir: at('docs/.vitepress/cache/vitest'),
  resolve: {
    alias: {
      'warren/testing': at('src/testing/index.ts'),
      warren: at('src/index.ts'),
      express: site('express'),
      fastify: site('fastify'),
      '@sentry/node': site('@sentry/node'),
    },
  },
  test: { root: at('examples/web'), include: ['test/*.test.ts'] },
})

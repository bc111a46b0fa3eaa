/** What monitoring/ generates is what config/ holds: npx vitest run --project unit test/unit/dashboards.test.ts -u */
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { prometheusConfig } from '../../monitoring/scraping.js'

const HEADER = '# Made from monitoring/; to change it: npx vitest run --project unit test/unit/dashboards.test.ts -u\n'
const yaml = (value: unknown): string => `${HEADER}${stringify(value, { lineWidth: 0 })}`

describe('Generated files', () => {
  it.each([
    ['prometheus/prometheus.yml', yaml(prometheusConfig('local'))],
    ['prometheus/compose.yml', yaml(prometheusConfig('compose'))],
  ])('%s is what the code says', async (path, text) => {
    await expect(text).toMatchFileSnapshot(`../../config/${path}`)
  })
})

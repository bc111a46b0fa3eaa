import { expect, it } from 'vitest'
import { pages, text } from '../support/docs/pages.js'

/** Words that slip in for plain ones, with the plain ones. `gives up` is plain. */
const ODD: readonly [RegExp, string][] = [
  [/\bmend(s|ed|ing)?\b/i, 'fix'],
  [/\bgives\b(?! up)/i, 'returns, has, shows, passes'],
  [/\b(tell|tells|told|hear|hears|heard) of\b/i, 'reports, names'],
  [/\bfor ever\b/i, 'forever'],
  [/\banew\b/i, 'again'],
]

/** The prose of a page: code, output and quoted errors keep their own words. */
const prose = (page: string): string =>
  page.replaceAll(/^( *)```[\s\S]*?^\1```/gm, (block) => block.replaceAll(/[^\n]/g, '')).replaceAll(/`[^`\n]*`/g, '``')

it('No public page has an odd word where there is a plain one', () => {
  expect(pages.length).toBeGreaterThan(60)
  const found = pages.flatMap((path) =>
    prose(text(path))
      .split('\n')
      .flatMap((line, index) =>
        ODD.filter(([word]) => word.test(line)).map(
          ([word, plain]) => `${path}:${index + 1}: ${word.exec(line)?.[0]} (rather: ${plain})`,
        ),
      ),
  )
  expect(found).toEqual([])
})

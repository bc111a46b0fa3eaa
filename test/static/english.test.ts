import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Words that slip in for plain ones, with the plain ones. `gives up` is plain. */
const ODD: readonly [RegExp, string][] = [
  [/\bmend(s|ed|ing)?\b/i, 'fix'],
  [/\bgives\b(?! up)/i, 'returns, has, shows, passes'],
  [/\b(tell|tells|told|hear|hears|heard) of\b/i, 'reports, names'],
  [/\bfor ever\b/i, 'forever'],
]

const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'CODE_OF_CONDUCT.md'],
  ...(readdirSync(join(root, 'docs'), { recursive: true }) as string[]).map((path) => join('docs', path)),
  ...readdirSync(join(root, 'packages')).flatMap((name) => [
    join('packages', name, 'README.md'),
    join('packages', name, 'template/README.md'),
  ]),
].filter((path) => path.endsWith('.md') && readable(path) !== undefined)

function readable(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch {
    return undefined
  }
}

/** The prose of a page: code, output and quoted errors keep their own words. */
const prose = (page: string): string =>
  page.replaceAll(/^( *)```[\s\S]*?^\1```/gm, (block) => block.replaceAll(/[^\n]/g, '')).replaceAll(/`[^`\n]*`/g, '``')

it('No public page has an odd word where there is a plain one', () => {
  expect(pages.length).toBeGreaterThan(60)
  const found = pages.flatMap((path) =>
    prose(readable(path) ?? '')
      .split('\n')
      .flatMap((line, index) =>
        ODD.filter(([word]) => word.test(line)).map(
          ([word, plain]) => `${path}:${index + 1}: ${word.exec(line)?.[0]} (rather: ${plain})`,
        ),
      ),
  )
  expect(found).toEqual([])
})

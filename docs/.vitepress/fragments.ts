/** Dead links beyond VitePress' own check, in what it built: a fragment has a heading, a file is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

export function checkFragments(outDir: string): void {
  const pages = readdirSync(outDir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'))
  const html = new Map(pages.map((page) => [page, readFileSync(join(outDir, page), 'utf8')]))
  const ids = new Map([...html].map(([page, text]) => [page, new Set(matches(text, / id="([^"]+)"/g))]))
  const base = process.env.WARREN_DOCS_BASE ?? '/'
  const dead = [...html].flatMap(([page, text]) =>
    [...new Set(matches(text, /<a [^>]*href="([^"]+)"/g))]
      .filter((href) => {
        if (/^[a-z]+:/i.test(href)) return false
        const [path = '', fragment] = href.replaceAll('&amp;', '&').split('#', 2)
        const from = path.startsWith('/') ? path.slice(base.length) : join(dirname(page), path)
        const found = normalize(path === '' ? page : from.endsWith('/') || from === '' ? `${from}index.html` : from)
        if (!existsSync(join(outDir, found))) return true
        return fragment !== undefined && fragment !== '' && !ids.get(found)?.has(decodeURIComponent(fragment))
      })
      .map((href) => `${page}: ${href}`),
  )
  if (dead.length > 0) throw new Error(`${dead.length} links lead nowhere:\n${dead.join('\n')}`)
}

const matches = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, found = '']) => found)

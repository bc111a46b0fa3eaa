/**
 * Snippets of TypeScript in a page, as programs that a compiler takes. A page shows three lines and leaves out where `warren`
 * and `task` come from: that is `given/<page>.ts`, a module that exports them. What a snippet imports from `./…` comes from
 * there, too, and so does every name that it uses without an import.
 */
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Block, root, text } from './pages.js'

/** `docs/guide/limits.md` → `test/support/docs/given/guide-limits.ts`. */
export const givenOf = (page: string): string =>
  `test/support/docs/given/${page
    .replace(/^docs\//, '')
    .replace(/\.md$/, '')
    .replaceAll('/', '-')
    .toLowerCase()}.ts`

const IMPORT = /^import [^'"]*['"]([^'"]+)['"]\n/gm

/** A module in `folder` that holds the block and nothing that it does not say, beside the names that are given. */
export function programOf({ page, code }: Block, folder: string): string {
  const given = givenOf(page)
  const from = relative(join(root, folder), join(root, given)).replace(/\.ts$/, '.js')
  const imports = [...code.matchAll(IMPORT)].map(([line, source = '']) =>
    source.startsWith('.') ? line.replace(source, from) : line,
  )
  const imported = new Set(imports.flatMap((line) => line.split(' from ', 1)[0]?.match(/\w+/g) ?? []))
  const names = existsSync(join(root, given)) ? exportsOf(given).filter((name) => !imported.has(name)) : []
  const body = code
    .replaceAll(IMPORT, '')
    .replaceAll(/^export default /gm, 'void ')
    .replaceAll(/^export /gm, '')
  return [
    ...imports,
    `import { ${names.join(', ')} } from '${names.length > 0 ? from : 'warren'}'`,
    '{',
    body,
    '}',
  ].join('\n')
}

const exportsOf = (file: string): string[] => [
  ...[...text(file).matchAll(/^export (?:declare )?(?:const|function|class|type|interface) (\w+)/gm)].map(
    ([, name = '']) => name,
  ),
  ...[...text(file).matchAll(/^export (?:type )?\{ ([\w, ]+) \} from/gm)].flatMap(([, list = '']) => list.split(', ')),
]

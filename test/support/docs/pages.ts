/** The pages of the documentation, and the blocks of code in them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../../..', import.meta.url))
export const text = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Every page below `docs/`, without what the site's builder installs and writes there. */
const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md') && !name.startsWith('.vitepress') && !name.startsWith('api/'))
  .map((name) => join('docs', name))

const ofPackages = ['cli', 'nestjs', 'outbox', 'create-warren', 'create-warren/template'].map(
  (name) => `packages/${name}/README.md`,
)

export const pages: readonly string[] = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'CODE_OF_CONDUCT.md'],
  ...inDocs,
  ...ofPackages,
].sort()

export interface Block {
  readonly page: string
  /** Of its first line of code, from 1. */
  readonly line: number
  /** `ts`, `sh` and so on; empty where the page names none. */
  readonly language: string
  readonly code: string
  /** The file that the block says it is, byte for byte: `<!-- examples/first.mjs -->` in front of it. */
  readonly file: string | undefined
}

const FENCE = /^(?:<!-- (\S+\/\S+) -->\n+)?( *)```(\S*)\n([\s\S]*?)^\2```$/gm

export function blocksOf(page: string): Block[] {
  const source = text(page)
  return [...source.matchAll(FENCE)].map((match) => {
    const [all, file, indent = '', language = '', code = ''] = match
    const start = match.index + all.indexOf('```')
    const line = source.slice(0, start).split('\n').length + 1
    return { page, line, language, file, code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '') }
  })
}

export const blocks: readonly Block[] = pages.flatMap(blocksOf)

/** The anchor that GitHub makes of a heading; the site makes the same. */
export const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

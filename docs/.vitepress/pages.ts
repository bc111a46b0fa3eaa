/** What the configuration asks the pages: their titles, their places, and where a link in one of them leads. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DefaultTheme } from 'vitepress'
import { addressOf, sections } from './sections.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Files that are linked to and are no pages: the site has them as text, under these names. */
export const copied: Readonly<Record<string, string>> = { LICENSE: 'license.txt', '.env.example': 'env.example.txt' }

/** The first heading, as far as it fits into a list: without what follows a colon, and without the word before the tutorial's. */
function titleOf(page: string): string {
  const [, title = page] = /^# (.+)$/m.exec(readFileSync(join(root, `${page}.md`), 'utf8')) ?? []
  return title.replace('Tutorial: an', 'An').replaceAll('`', '').split(':', 1)[0] as string
}

const item = (page: string): DefaultTheme.SidebarItem => ({ text: titleOf(page), link: linkTo(page) })
/** A folder's own page is marked in the sidebar by the folder's address only. */
const linkTo = (page: string): string => `/${addressOf(page)}`.replace(/\/index$/, '/')

const pagesIn = (folder: string): string[] =>
  statSync(join(root, folder), { throwIfNoEntry: false })?.isDirectory()
    ? readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.md'))
        .map((name) => join(folder, name.slice(0, -3)))
        .sort()
    : []

/** Guides that no section names. */
const unlisted = (): string[] => {
  const listed = sections.flatMap(({ groups }) => groups.flatMap(({ pages }) => pages))
  return [...pagesIn('docs/guide'), ...pagesIn('docs/how-to')].filter((page) => !listed.includes(page))
}

const decisions = (): DefaultTheme.SidebarItem => ({
  text: 'Decisions',
  collapsed: true,
  items: pagesIn('docs/decisions').map(item),
})

/** What typedoc wrote, by its folders. */
function api(): DefaultTheme.SidebarItem[] {
  const items = (folder: string) => pagesIn(`docs/api/${folder}`).filter((page) => !page.endsWith('/index'))
  const kinds: [string, string][] = [
    ['Functions', 'functions'],
    ['Classes', 'classes'],
    ['Interfaces', 'interfaces'],
    ['Types', 'type-aliases'],
    ['Constants', 'variables'],
  ]
  return [
    ['warren', 'warren'],
    ['warren/testing', 'warren-testing'],
  ].map(([text, module]) => ({
    text: `API: ${text}`,
    link: `/reference/api/${module}/`,
    collapsed: true,
    items: kinds
      .map(([kind, folder]) => ({ text: kind, collapsed: true, items: items(`${module}/${folder}`).map(apiItem) }))
      .filter(({ items }) => items.length > 0),
  }))
}
const apiItem = (page: string): DefaultTheme.SidebarItem => ({
  text: page.replace(/^.*\//, ''),
  link: `/${addressOf(page)}`,
})

/** A sidebar for each kind of page, so that a reader of one kind is not shown the others. */
export const sidebar = (): DefaultTheme.SidebarMulti =>
  Object.fromEntries(
    sections.map(({ path, groups }) => [
      `/${path}/`,
      [
        ...groups.map(({ text, pages }) => ({ text, items: pages.map(item) })),
        ...(path === 'how-to' && unlisted().length > 0 ? [{ text: 'More', items: unlisted().map(item) }] : []),
        ...(path === 'reference' ? api() : []),
        ...(path === 'explanation' ? [decisions()] : []),
      ],
    ]),
  )

export const nav = (): DefaultTheme.NavItem[] =>
  sections.map(({ text, path, groups }) => ({
    text,
    link: linkTo(groups[0]?.pages[0] ?? ''),
    activeMatch: `^/${path}/`,
  }))

/** The anchor that GitHub makes of a heading, so that a link works in both places. */
export const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

/** Where a relative link in a file leads on the site. It throws for one that leads nowhere. */
export function linkOf(href: string, file: string): string {
  if (/^[a-z]+:|^#|^\//i.test(href)) return href
  const [path = '', fragment] = href.split('#', 2)
  const target = normalize(join(dirname(file), path)).slice(root.length)
  const hash = fragment === undefined ? '' : `#${fragment}`
  if (copied[target] !== undefined) return `/${copied[target]}`
  if (target.endsWith('.md')) return `/${addressOf(target.slice(0, -3))}.md${hash}`
  const [first] = pagesIn(target)
  if (first !== undefined) return `/${addressOf(first)}.md`
  throw new Error(`${file.slice(root.length)} links to ${href}, which the site does not have`)
}

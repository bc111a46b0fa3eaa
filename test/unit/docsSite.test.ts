/** The site's navigation fits the pages, without the site's builder. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { addressOf, sections } from '../../docs/.vitepress/sections.js'
import { pages, root, text } from '../support/docs/pages.js'

const listed = sections.flatMap(({ groups }) => groups.flatMap(({ pages }) => pages))

it('lists pages that exist, each of them once', () => {
  expect(listed.filter((page) => !existsSync(join(root, `${page}.md`)))).toEqual([])
  expect(listed.filter((page, index) => listed.indexOf(page) !== index)).toEqual([])
})

it('names every page of the tutorial, the reference, the how-to guides and the packages', () => {
  const kinds = /^(docs\/(tutorial|reference|how-to)|packages\/(nestjs|outbox|create-warren))\/\w[\w-]*\.md$/
  const files = pages.filter((page) => kinds.test(page)).map((page) => page.slice(0, -3))
  expect(files.length).toBeGreaterThan(20)
  expect(files.filter((page) => !listed.includes(page))).toEqual([])
})

it('gives each page an address of its own', () => {
  const addresses = pages.map((page) => addressOf(page.slice(0, -3)))
  expect(addresses.filter((address, index) => addresses.indexOf(address) !== index)).toEqual([])
})

it('hides the picture of the other appearance, which a page shows under the name that the style sheet has', () => {
  const hidden = [...text('docs/.vitepress/theme/custom.css').matchAll(/img\[src\*="([^"]+)"\]/g)].map(
    ([, part = '']) => part,
  )
  expect(hidden).toHaveLength(2)
  const pictures = pages.flatMap((page) =>
    [...text(page).matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, src = '']) => src),
  )
  expect(hidden.filter((part) => !pictures.some((src) => src.includes(part)))).toEqual([])
})

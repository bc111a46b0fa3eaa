/** What `import … from 'warren/testing'` has: tests of handlers and of whole workflows, without a broker and a store. */
export * from '../../../src/testing/index.js'

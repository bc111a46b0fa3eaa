/** What `import … from 'warren'` has. */
export * from '../../../src/index.js'

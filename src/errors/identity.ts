/**
 * Which error an error is, across copies of this package. An application may hold two of them (two versions, a bundle
 * beside `node_modules`, a test runner's realm), and `instanceof` by class would be false between them.
 */
import { memberOf } from '../kinds.js'

/**
 * Marks a class by its name, so that `instanceof` recognizes the same class of any other copy, and its subclasses. Also
 * fixes the class's own name, which a minifier may have shortened.
 */
export function identify(ofClass: abstract new (...given: never) => Error, name: string): void {
  const mark = Symbol.for(`warren.${name}`)
  Object.defineProperty(ofClass.prototype, mark, { value: true })
  Object.defineProperty(ofClass, 'name', { value: name, configurable: true })
  Object.defineProperty(ofClass, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      // A subclass inherits this function and has no mark: its instances are those of the language.
      if (this !== ofClass) return Function.prototype[Symbol.hasInstance].call(this as never, value)
      return memberOf(value, mark) === true
    },
  })
}

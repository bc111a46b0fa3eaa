/**
 * Makes `instanceof` work across copies of this package. An application may contain two copies (two versions, a bundle next to
 * `node_modules`, a test runner's realm), whose classes differ.
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
      // A subclass inherits this function but has no mark: it uses the language's own `instanceof`.
      if (this !== ofClass) return Function.prototype[Symbol.hasInstance].call(this as never, value)
      return memberOf(value, mark) === true
    },
  })
}

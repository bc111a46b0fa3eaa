/** The types that JSON can carry: inputs and results are sent as JSON. */
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** How deep a type is checked; `send` checks values below that depth. */
type Deepest = [1, 1, 1, 1, 1, 1]

/** The parts of `T` that JSON cannot carry, as text that names their place; `never` if there are none. */
export type NotJson<T, Path extends string = '', Depth extends readonly unknown[] = []> = Depth extends Deepest
  ? never
  : unknown extends T
    ? never
    : T extends string | number | boolean | null | undefined
      ? never
      : T extends bigint
        ? Told<Path, 'a bigint'>
        : T extends symbol
          ? Told<Path, 'a symbol'>
          : T extends (...args: never[]) => unknown
            ? Told<Path, 'a function'>
            : T extends Date
              ? Told<Path, 'a Date'>
              : T extends ReadonlyMap<unknown, unknown>
                ? Told<Path, 'a Map'>
                : T extends ReadonlySet<unknown>
                  ? Told<Path, 'a Set'>
                  : T extends ArrayBuffer | ArrayBufferView
                    ? Told<Path, 'bytes'>
                    : T extends PromiseLike<unknown>
                      ? Told<Path, 'a promise'>
                      : T extends Error | RegExp
                        ? Told<Path, 'an object of a class'>
                        : T extends readonly (infer Item)[]
                          ? NotJson<Item, `${Path}[]`, [...Depth, 1]>
                          : T extends object
                            ? {
                                [Key in keyof T & (string | number)]: NotJson<T[Key], Joined<Path, Key>, [...Depth, 1]>
                              }[keyof T & (string | number)]
                            : never

type Told<Path extends string, What extends string> = Path extends '' ? `it is ${What}` : `${Path} is ${What}`
type Joined<Path extends string, Key extends string | number> = Path extends '' ? `${Key}` : `${Path}.${Key}`

/** Turns options with schemas that JSON cannot satisfy into a compile error that names the place and a remedy. */
export type CarriedByJson<Input extends StandardSchemaV1, Output extends StandardSchemaV1 | undefined> = Refused<
  'input',
  Input
> &
  (Output extends StandardSchemaV1 ? Refused<'output', Output> : unknown)

type Refused<Option extends string, Schema extends StandardSchemaV1> = [
  NotJson<StandardSchemaV1.InferInput<Schema>>,
] extends [never]
  ? unknown
  : {
      readonly [Key in Option]: `JSON cannot carry this ${Option}: ${NotJson<
        StandardSchemaV1.InferInput<Schema>
      >}. Accept a JSON type, and convert it in the schema, as z.coerce.date() does with a string.`
    }

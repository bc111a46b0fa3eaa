/** What JSON can carry, as the compiler sees it: what is sent and what is returned goes through it. */
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** How deep a type is looked into; below that, `send` looks at the values. */
type Deepest = [1, 1, 1, 1, 1, 1]

/** What of `T` JSON cannot carry, as a text that names its place; `never` when it can carry all. */
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

/** Makes the options of a task whose schemas JSON cannot satisfy a compile error that says where, and what to do. */
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
      >}. Take what JSON has, and turn it in the schema into what you need, as z.coerce.date() does with text.`
    }

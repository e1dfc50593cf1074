import { create, type DescMethod, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { toFrame } from "./client.ts";

/** One call: answers its gRPC status. */
export type Call = () => Promise<number>;

/** What the callers of a slice do next; undefined when there is no more. */
export type Calls = () => Generator<Call, undefined>;

/** 9.99 EUR. */
export const price = { currencyCode: "EUR", units: 9n, nanos: 990_000_000 };

/** Draws from the arguments in turn, all callers from the same ones, for ever. */
export function cycle<T>(args: readonly T[], call: (arg: T) => Promise<number>): Calls {
  let next = 0;
  return function* () {
    for (;;) {
      const arg = args[next++ % args.length]!;
      yield () => call(arg);
    }
  };
}

/** Each caller takes a row of arguments that nobody has taken, and makes its calls one after the other. */
export function once<T>(rows: readonly (readonly T[])[], call: (arg: T) => Promise<number>): Calls {
  let next = 0;
  return function* () {
    for (let row = rows[next++]; row !== undefined; row = rows[next++]) {
      for (const arg of row) yield () => call(arg);
    }
    return undefined;
  };
}

/** A request as it is sent. */
export function encode<M extends DescMethod>(method: M, request: MessageInitShape<M["input"]>): Buffer {
  return toFrame(toBinary(method.input, create(method.input, request)));
}

/** The HTTP path of a method. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** One of them. */
export function choose<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)]!;
}

import type { Registry } from "prom-client";
import type { Config } from "../config.ts";
import type { Reached } from "../databases.ts";
import type { PortName } from "../rpc/listen.ts";

/** The metrics of a process as data. */
export type Metrics = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/** The ports whose connections workers are handed. */
const portNames = ["GRPC_ADDR", "HTTP_ADDR"] as const satisfies readonly PortName[];
export type SharedPort = (typeof portNames)[number];

type Guard<T> = (value: unknown) => value is T;

const isString: Guard<string> = (value) => typeof value === "string";
const isNumber: Guard<number> = (value) => typeof value === "number";
const isBoolean: Guard<boolean> = (value) => typeof value === "boolean";
const isPort: Guard<SharedPort> = (value): value is SharedPort => portNames.some((name) => name === value);
const isOptionalString: Guard<string | undefined> = (value) => value === undefined || isString(value);
const isProblems: Guard<readonly string[] | undefined> = (value) =>
  value === undefined || (Array.isArray(value) && value.every(isString));
/** What both sides have from the same sources is not looked into. */
const isObject: Guard<object> = (value) => typeof value === "object" && value !== null;
const isConfig: Guard<Config> = (value): value is Config => isObject(value);
const isReached: Guard<Reached> = (value): value is Reached => isObject(value);
const isMetrics: Guard<Metrics> = (value): value is Metrics => Array.isArray(value);

/** The fields of each kind of message to a worker. */
const toWorker = {
  /** The first one: its share of the configuration, and the database as the start has found it. */
  begin: { number: isNumber, config: isConfig, reached: isReached },
  /** Comes with a socket, unless its connection has ended on the way. The answer is `taken`. */
  connection: { port: isPort },
  /** No connection of the port comes any more. */
  closed: { port: isPort },
  /** What the last look at the database has found. */
  found: { reason: isOptionalString, isAway: isBoolean },
  /** To switch its log to the level `debug`, or back. */
  switch_level: {},
  /** The answer is `pong`. */
  ping: {},
  /** The answer is `metrics` with the same id. */
  scrape: { id: isNumber },
  /** To stop as the service does. The answer is `drained`, and the end of the process. */
  drain: {},
} as const;

/** The fields of each kind of message from a worker. */
const fromWorker = {
  /** It hears what is sent. */
  hello: {},
  /** It takes connections. */
  ready: {},
  /** It cannot start, and ends: the problems of the configuration, if it is that. */
  failed: { message: isString, problems: isProblems },
  taken: {},
  /** It wants no more connections of a port. The answer is `closed`. */
  close: { port: isPort },
  /** An attempt has failed with a SQLSTATE that readiness wants to know of. */
  note: { code: isString },
  pong: {},
  metrics: { id: isNumber, metrics: isMetrics },
  /** Whether all calls have finished. */
  drained: { finished: isBoolean },
} as const;

type Shapes = Readonly<Record<string, Readonly<Record<string, Guard<unknown>>>>>;
type Guarded<G> = G extends Guard<infer T> ? T : never;
type MessageOf<S extends Shapes> = {
  [K in keyof S]: { readonly kind: K } & { readonly [F in keyof S[K]]: Guarded<S[K][F]> };
}[keyof S];

export type ToWorker = MessageOf<typeof toWorker>;
export type FromWorker = MessageOf<typeof fromWorker>;

/** Reads a message that a worker is sent; throws if it is none. */
export const readToWorker = createReader(toWorker);
/** Reads a message that a worker has sent; throws if it is none. */
export const readFromWorker = createReader(fromWorker);

function createReader<S extends Shapes>(shapes: S): (value: unknown) => MessageOf<S> {
  return (value) => {
    const kind: unknown = isObject(value) && Reflect.get(value, "kind");
    const fields = isString(kind) && Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
    const wrong = Object.entries(fields ?? {}).find(([name, is]) => !is(Reflect.get(value as object, name)));
    if (fields === undefined || wrong)
      throw new Error(`no message of ours: ${String(kind)} ${wrong?.[0] ?? ""}`);
    return value as MessageOf<S>;
  };
}

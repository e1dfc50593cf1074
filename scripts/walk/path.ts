// The path of a call to the driver: the functions of src/ that stand one inside of the other.
//
// A stack that is taken at the driver says little: what has waited is told by V8 only where it was awaited,
// and nothing is told of what ran before setImmediate. So the stack is taken whenever a promise or a timer is
// made while the call lasts (async_hooks tells of it), and the path is put together from the driver outwards.
// Outside of a function stands the one that called it, on the last stack on which one does; else, where it
// was never seen to be called, the one that awaits it; else the one that has set the timer which ran it.
// Functions that were called on the way and have returned, as one that chooses a connection, are not on the
// path.
import { createHook, executionAsyncId } from "node:async_hooks";
import path from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";

const root = path.join(import.meta.dirname, "../../src") + path.sep;

/** A function of src/ on a stack. The file is relative to src/. */
export type Frame = {
  /** Tells the function from others. */
  readonly id: string;
  readonly file: string;
  readonly name: string;
  /** Where it is. */
  readonly line: number;
  /** It waits for the one inside of it, and is not running. */
  readonly awaits: boolean;
};

/** What V8 says beside what its types do: where the function begins. */
type Site = NodeJS.CallSite & {
  readonly getEnclosingLineNumber: () => number;
  readonly getEnclosingColumnNumber: () => number;
};

/** A stack from the inside out, and the timer, or other cause, that ran it. */
type Moment = { readonly frames: readonly Frame[]; readonly cause: number };

/**
 * Makes a call and returns its path from the first function behind the services to its first statement, from
 * the outside in. A call that asks the driver nothing has no path.
 */
export async function watchPath(call: () => Promise<unknown>): Promise<Frame[]> {
  const moments: Moment[] = [];
  const causes = new Map<number, Moment>();
  const paths: Frame[][] = [];
  const hook = createHook({
    init(id) {
      const moment = { frames: capture(), cause: executionAsyncId() };
      causes.set(id, moment);
      if (moment.frames.length > 0) moments.push(moment);
    },
  });
  using _ = onQuery(() => {
    const whole = complete({ frames: capture(), cause: executionAsyncId() }, moments, causes);
    const service = whole.findIndex(({ file }) => file.startsWith("services/"));
    // Otherwise the service asks for itself, as for whether the database is there.
    if (service !== -1) paths.push(whole.slice(0, service).toReversed());
  });
  hook.enable();
  try {
    await call();
  } finally {
    hook.disable();
  }
  return paths[0] ?? [];
}

/** From a stack at the driver outwards, as the head of this file says. */
function complete(
  start: Moment,
  moments: readonly Moment[],
  causes: ReadonlyMap<number, Moment>,
): readonly Frame[] {
  const [innermost] = start.frames;
  const whole: Frame[] = [];
  const seen = new Set<string>();
  const all = [...moments, start];
  let frame = innermost;
  let { cause } = start;
  while (frame !== undefined && !seen.has(frame.id)) {
    whole.push(frame);
    seen.add(frame.id);
    const { id } = frame;
    const called = all.findLast((moment) => outside(moment, id)?.awaits === false);
    const next = called ?? all.findLast((moment) => outside(moment, id) !== undefined);
    if (called) ({ cause } = called);
    const timer = next ? undefined : causes.get(cause);
    if (timer) ({ cause } = timer);
    frame = next ? outside(next, id) : timer?.frames[0];
  }
  return whole;
}

/** What stands outside of a function on a stack. */
function outside({ frames }: Moment, id: string): Frame | undefined {
  const at = frames.findLastIndex((frame) => frame.id === id);
  return at === -1 ? undefined : frames[at + 1];
}

/** The functions of src/ on the stack, from the inside out, with those that await them. */
function capture(): Frame[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = Infinity;
  Error.prepareStackTrace = (_, sites) => sites;
  const at: { stack?: unknown } = {};
  Error.captureStackTrace(at, capture);
  const sites = at.stack as Site[];
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  return sites.flatMap((site) => {
    const url = site.getFileName() ?? "";
    const file = url.startsWith("file:") ? fileURLToPath(url) : url;
    if (!file.startsWith(root)) return [];
    const name = site.getFunctionName() ?? "(anonymous)";
    const line = site.getLineNumber() ?? 0;
    const within = file.slice(root.length).replaceAll(path.sep, "/");
    const begins = `${site.getEnclosingLineNumber()}:${site.getEnclosingColumnNumber()}`;
    return { id: `${within}:${begins}`, file: within, name, line, awaits: site.isAsync() };
  });
}

/** Is told of each statement that the driver is given. */
function onQuery(told: () => void): Disposable {
  const { prototype } = pg.Client;
  const { query } = prototype;
  prototype.query = function observed(this: pg.Client, ...values: unknown[]) {
    told();
    return Reflect.apply(query, this, values) as unknown;
  } as typeof query;
  return { [Symbol.dispose]: () => void (prototype.query = query) };
}

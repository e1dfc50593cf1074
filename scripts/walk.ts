// Shows what one call reaches in src/: `npm run walk -- CreateOrder`.
//
// The service runs in this process, on a database of its own, and is called over gRPC by a client that uses
// nothing of src/ but generated code. Two things are read:
//
// Reach. V8 counts how often each function begins (walk/coverage.ts). The counters are set back immediately
// before the call and read when the server has had time to finish it; nothing else is asked meanwhile. Timers
// of the service, such as those that look at the database every two seconds and sweep the connections, may
// still fall into a call: so the call is made several times, and what counts is what ran each time. What ran
// in some only is listed apart. Generated code and packages do not count. Of an async function V8 counts each
// time that it goes on as well.
//
// Path. How deep a reader goes from the first function behind the service, such as the batcher's, to the
// driver's `query` (walk/path.ts): the functions that stand on the stack, one inside of the other.
import { parseArgs } from "node:util";
import { createCommerceClient } from "../client/src/grpc.ts";
import { openServer } from "./demo/connect.ts";
import { type Call, calls, openStock } from "./walk/calls.ts";
import { type Begun, startCoverage } from "./walk/coverage.ts";
import { type Frame, watchPath } from "./walk/path.ts";

const help = `Usage: npm run walk -- [METHOD] [options]

Makes one call and prints the functions of src/ that ran for it, by file, and the path from the first function
behind the service to the driver's query. METHOD is CreateOrder where none is given, or one of:
  ${Object.keys(calls).join("\n  ")}

  --times N   calls that are walked; what ran in each of them counts (default 5)
  --goals     ends with 1 where CreateOrder reaches more than it should
  --help      prints this

Exit codes: 0 walked, 1 the call failed or reaches too much, 2 the arguments are wrong.
`;

/**
 * What one who reads how an order is placed should have to hold in mind: files and functions behind the wire,
 * hops to the driver and the files of these.
 */
const goals = [16, 90, 10, 5] as const;

/** How long the server may take to put away a call that its caller has the answer to. */
const settleMs = 100;

/** In the order in which a call passes them. */
const layers = [/^rpc\//, /^services\//, /^db\/(?!engine)/, /^db\/engine\//, /^/];

const options = readOptions();
try {
  process.exitCode = await main(options);
} catch (error) {
  console.error(`the walk stopped: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

type Options = {
  readonly method: string;
  readonly call: Call;
  readonly times: number;
  readonly goals: boolean;
};

async function main({ method, call, times, goals: areHeld }: Options): Promise<number> {
  await using server = await openServer({ url: undefined, isOwn: true });
  using shop = createCommerceClient({ baseUrl: server.url });
  const stock = await openStock(shop);
  // The first call has statements prepared and connections opened, and all code loaded.
  await (
    await call(shop, stock)
  )();
  const walks: Begun[][] = [];
  for (let n = 0; n < times; n++) {
    const make = await call(shop, stock);
    await settle();
    using coverage = await startCoverage();
    await make();
    await settle();
    walks.push(await coverage.take());
  }
  const make = await call(shop, stock);
  await settle();
  const path = await watchPath(make);

  const always = walks[0]!.filter((each) => walks.every((walk) => walk.some(({ id }) => id === each.id)));
  const ids = new Set(always.map(({ id }) => id));
  const sometimes = [...new Set(walks.flat().map(({ id }) => id))].filter((id) => !ids.has(id));
  console.log(toTree(always));
  if (sometimes.length > 0) console.log(`\nin some of the calls only:\n  ${sometimes.join("\n  ")}`);
  console.log(`\nfrom behind the service to the driver:\n${toPath(path)}`);
  const behind = always.filter(({ file }) => !file.startsWith("rpc/"));
  const reach = [countFiles(behind), behind.length, path.length, countFiles(path)];
  console.log(`\n${method}: ${countFiles(always)} files, ${always.length} functions`);
  console.log(`without rpc/: ${reach[0]} files, ${reach[1]} functions`);
  console.log(`to client.query: ${reach[2]} hops in ${reach[3]} files`);
  if (method !== "CreateOrder") return 0;
  const [files, functions, hops, pathFiles] = goals;
  console.log(
    `goals: ${files} files, ${functions} functions without rpc/; ${hops} hops in ${pathFiles} files`,
  );
  return !areHeld || goals.every((goal, n) => reach[n]! <= goal) ? 0 : 1;
}

function readOptions(): Options {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        times: { type: "string", default: "5" },
        goals: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const [method = "CreateOrder", ...others] = positionals;
    const times = Number(values.times);
    const call = Object.hasOwn(calls, method) ? calls[method] : undefined;
    if (call === undefined || others.length > 0) throw new Error(`no such method: ${positionals.join(" ")}`);
    if (!Number.isInteger(times) || times < 1 || times > 100) throw new Error("--times takes 1 to 100");
    return { method, call, times, goals: values.goals };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}; --help lists the options`);
    return process.exit(2);
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, settleMs));
}

function countFiles(functions: readonly { readonly file: string }[]): number {
  return new Set(functions.map(({ file }) => file)).size;
}

function toTree(begun: readonly Begun[]): string {
  const layerOf = (file: string): number => layers.findIndex((layer) => layer.test(file));
  const byFile = Object.entries(Object.groupBy(begun, ({ file }) => file)).toSorted(
    ([a], [b]) => layerOf(a) - layerOf(b) || (a < b ? -1 : 1),
  );
  return byFile
    .map(([file, functions = []]) => {
      const lines = functions.map(
        ({ name, line, count }) => `  ${name}:${line}${count > 1 ? ` (${count})` : ""}`,
      );
      return [`src/${file}: ${functions.length}`, ...lines].join("\n");
    })
    .join("\n");
}

function toPath(path: readonly Frame[]): string {
  return path
    .map(({ name, file, line }, n) => `  ${String(n + 1).padStart(2)} ${name}  src/${file}:${line}`)
    .join("\n");
}

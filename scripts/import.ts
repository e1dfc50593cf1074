// Imports orders, or items of orders, from a file: `npm run import`.
import { access, appendFile, constants, open, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { OrderService, type CommittedChunk } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { startProgress } from "./import/progress.ts";
import { createQueue, type Queue } from "./import/queue.ts";
import { readState, writeState, type State } from "./import/resume.ts";
import { readItems, readOrders, type Row } from "./import/rows.ts";
import { sendItems, sendOrders } from "./import/send.ts";

const help = `npm run import -- [options] FILE

Imports orders from lines of JSON, a commerce.order.v1.OrderDraft each; "-" is the standard input. What was
imported is kept in a resume file: the same command again goes on where the last one stopped, and imports
nothing twice.

  --items            import items into orders that exist, from CSV with the heading
                     order_id,product_id,quantity,unit_price,currency
  --url URL          the server (http://127.0.0.1:50051)
  --request-id UUID  what the import is known by; otherwise one is made
  --resume FILE      the resume file (FILE.resume; none for "-")
  --refused FILE     where refused rows are listed (FILE.refused; the standard error for "-")

Exit code 0 if all rows are in, 1 if some were refused or the import stopped, 2 if the command is wrong,
130 if it was interrupted.`;

type Options = {
  readonly file: string;
  readonly isItems: boolean;
  readonly url: string;
  readonly requestId: string | undefined;
  readonly resume: string | undefined;
  readonly refused: string | undefined;
};

function readOptions(): Options | "help" {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      items: { type: "boolean", default: false },
      url: { type: "string", default: "http://127.0.0.1:50051" },
      "request-id": { type: "string" },
      resume: { type: "string" },
      refused: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new Error("one FILE is needed; --help says more");
  if (!/^https?:$/.test(URL.parse(values.url)?.protocol ?? "")) throw new Error("--url takes an http(s) URL");
  const requestId = values["request-id"]?.toLowerCase();
  if (requestId !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(requestId))
    throw new Error("--request-id takes a UUID");
  const beside = (suffix: string) => (file === "-" ? undefined : `${file}.${suffix}`);
  return {
    file,
    isItems: values.items,
    url: values.url,
    requestId,
    resume: values.resume ?? beside("resume"),
    refused: values.refused ?? beside("refused"),
  };
}

/** Refusals of the service, by row; the reader's own words where a row could not be read. */
async function listRefused(
  file: string | undefined,
  { refused }: CommittedChunk,
  rows: readonly Row<unknown>[],
  firstIndex: number,
): Promise<void> {
  const lines = refused.map(({ index, status }) => {
    const row = rows[Number(index) - firstIndex];
    const [info] = status!.details.flatMap((detail) => anyUnpack(detail, ErrorInfoSchema) ?? []);
    const why = row?.problem ?? status!.message;
    const code = Code[status!.code] ?? status!.code;
    return JSON.stringify({ index: Number(index), line: row?.line, code, reason: info?.reason, why });
  });
  if (lines.length === 0) return;
  const text = `${lines.join("\n")}\n`;
  if (file === undefined) process.stderr.write(text);
  else await appendFile(file, text);
}

// What may pass: a server that restarts or is overloaded, an import longer than a call, and a network that
// breaks, which is said by ABORTED or, nobody having cancelled, by CANCELLED.
const passing = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Canceled,
]);
/** Calls in a row that bring nothing: with the waits between them six seconds, in which a server restarts. */
const failuresMax = 6;
const waitMsBase = 100;

/** Runs calls until one comes to its end, each from where the last one stopped. */
async function repeat(
  send: () => AsyncIterable<CommittedChunk>,
  take: (chunk: CommittedChunk) => Promise<void>,
) {
  for (let failures = 0; ;) {
    try {
      for await (const chunk of send()) {
        await take(chunk);
        failures = 0;
      }
      return;
    } catch (error) {
      failures += 1;
      if (!(error instanceof ConnectError && passing.has(error.code)) || failures > failuresMax) throw error;
      await sleep(waitMsBase * 2 ** (failures - 1));
    }
  }
}

async function run(options: Options, initial: State): Promise<State> {
  const { file, isItems, url, resume, refused } = options;
  await using opened = file === "-" ? undefined : await open(file);
  const stream = opened?.createReadStream({ autoClose: false });
  const input = stream ?? process.stdin;
  const bytes = opened && (await opened.stat()).size;
  const sessionManager = new Http2SessionManager(url);
  const client = createClient(OrderService, createGrpcTransport({ baseUrl: url, sessionManager }));
  if (initial.nextIndex === 0 && refused !== undefined) await rm(refused, { force: true });

  let state = initial;
  // Before the first row is sent: an import that is cut off before its first answer keeps its request id.
  await writeState(resume, state);
  const progress = startProgress(bytes, process.stderr);
  // The bar has hidden the cursor; what was answered is in the resume file.
  const interrupt = (): void => {
    progress.stop();
    console.error(`interrupted; ${goOn(resume, initial.requestId)}`);
    process.exit(130);
  };
  process.once("SIGINT", interrupt);
  const take = async (chunk: CommittedChunk, queue: Queue<unknown>): Promise<void> => {
    const rows = queue.acknowledge(Number(chunk.lastIndex));
    await listRefused(refused, chunk, rows, state.nextIndex);
    state = {
      ...state,
      nextIndex: queue.nextIndex,
      inserted: state.inserted + chunk.insertedCount,
      existing: state.existing + chunk.existingCount,
      refused: state.refused + chunk.refused.length,
    };
    await writeState(resume, state);
    progress.update(state, rows.at(-1)?.bytesRead ?? 0);
  };
  try {
    if (isItems) {
      const queue = createQueue(readItems(input), state.nextIndex, { bytesMax: 2 ** 21 });
      await repeat(
        () => sendItems(client, queue, state.requestId),
        (chunk) => take(chunk, queue),
      );
    } else {
      const queue = createQueue(readOrders(input), state.nextIndex, { bytesMax: 2 ** 18 });
      await repeat(
        () => sendOrders(client, queue, state.requestId),
        (chunk) => take(chunk, queue),
      );
    }
    state = { ...state, isDone: true, bytes: stream?.bytesRead };
    await writeState(resume, state);
    return state;
  } finally {
    process.off("SIGINT", interrupt);
    progress.stop();
    sessionManager.abort();
  }
}

/** How an import that has stopped is resumed. */
function goOn(resume: string | undefined, requestId: string): string {
  const again = resume === undefined ? `with --request-id ${requestId} ` : "";
  return `the same command ${again}goes on and imports nothing twice`;
}

/** An import is over with the bytes that it read: rows that were appended since are not imported. */
async function expectUnchanged(file: string, { isDone, bytes }: State, resume: string | undefined) {
  if (!isDone || bytes === undefined || file === "-") return;
  const about = await stat(file);
  if (about.size === bytes || !about.isFile()) return;
  throw new Error(
    `${file} has changed since it was imported (${bytes} bytes then, ${about.size} now), says ${resume}; ` +
      "new rows belong into a file of their own, and another file needs another --resume",
  );
}

async function expectReadable(file: string): Promise<void> {
  await access(file, constants.R_OK).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "there is no such file" : error.code;
    throw new Error(`${file} cannot be read: ${why}`);
  });
}

function toMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  let state: State;
  try {
    options = readOptions();
    if (options === "help") {
      console.log(help);
      return 0;
    }
    if (options.file !== "-") await expectReadable(options.file);
    state = await readState(options.resume, options.requestId);
    await expectUnchanged(options.file, state, options.resume);
  } catch (error) {
    console.error(toMessage(error));
    return 2;
  }
  if (state.isDone)
    console.log(`already imported, says ${options.resume}; remove it to import the file again`);
  else {
    const { requestId } = state;
    state = await run(options, state).catch((error: unknown) => {
      throw new Error(`${toMessage(error)}; ${goOn(options.resume, requestId)}`);
    });
  }
  const { inserted, existing, refused, requestId } = state;
  console.log(`${inserted} inserted, ${existing} there before, ${refused} refused (request id ${requestId})`);
  if (refused > 0 && options.refused !== undefined) console.log(`refused rows: ${options.refused}`);
  return refused > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`the import stopped: ${toMessage(error)}`);
  process.exitCode = 1;
}

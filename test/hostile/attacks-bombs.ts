import type { Attack, Form } from "./attack.ts";
import type { Answer } from "./answers.ts";
import {
  BATCH_GET_USERS,
  callOnce,
  type Coding,
  CREATE_ORDER,
  GET_USER,
  IMPORT_ORDERS,
  inParallel,
  repeat,
  repeatJson,
  type Said,
  type Way,
} from "./messages.ts";
import type { Target } from "./target.ts";

const MEBI = 2 ** 20;
/** The most that ImportOrders takes, and CALL_MESSAGE_MAX. */
const IMPORT_BYTES = 16 * MEBI - 64;
const CALL_BYTES = 4 * MEBI - 64;
/** An attacker who waits longer for an answer has made the service hang. */
const WAIT_MS = 10_000;
/** Field 15, a varint: no message has it. */
const UNKNOWN = Buffer.of(0x78, 0);
/** Groups within groups, of field 15. */
const NESTED = Buffer.of(0x7b);
/** An empty row of ImportOrders, an empty id of BatchGetUsers. */
const EMPTY_FIRST = Buffer.of(0x0a, 0);
/** An empty item of CreateOrder. */
const EMPTY_ITEM = Buffer.of(0x12, 0);

const NO_TOKEN = ["UNAUTHENTICATED CREDENTIALS_MISSING"];
const TOO_LARGE = ["RESOURCE_EXHAUSTED MESSAGE_TOO_LARGE"];
const TOO_COMPRESSED = ["RESOURCE_EXHAUSTED DECOMPRESSION_RATIO"];
const BAD = ["INVALID_ARGUMENT INVALID_FIELD", "INVALID_ARGUMENT MALFORMED_REQUEST"];
/** The rows of an import are refused one by one, for as long as the caller waits. */
const IMPORTED = ["OK", "DEADLINE_EXCEEDED DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED *", ...BAD];

type Bomb = Pick<Attack, "name" | "what" | "mode" | "answers"> &
  Pick<Said, "coding" | "timeoutMs"> & {
    readonly ways: readonly Way[];
    readonly method: string;
    readonly message: (way: Way) => Uint8Array;
    readonly hasToken?: boolean;
  };

/** Sends the message by each way, so many times, and again until the time is over. */
function toAttack(bomb: Bomb): Attack {
  const { ways, method, message, coding = "identity", hasToken, timeoutMs, ...rest } = bomb;
  const play = async (target: Target, { count, ms }: Form): Promise<Answer[]> => {
    const answers: Answer[] = [];
    const said: Said = {
      coding,
      ...(hasToken && { token: target.token }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
    const messages = new Map(ways.map((way) => [way, message(way)]));
    const end = performance.now() + ms;
    do {
      for (const [way, bytes] of messages) {
        if (target.ended() !== undefined) break;
        const call = () =>
          callOnce(target, way, method, bytes, { ...said, waitMs: Math.max(WAIT_MS, ms * 3) });
        answers.push(...(await inParallel(count, call)));
      }
    } while (performance.now() < end && target.ended() === undefined);
    return answers;
  };
  return { ...rest, small: { count: 1, ms: 0 }, long: { count: 4, ms: 10_000 }, play };
}

const STREAM_WAYS: readonly Way[] = [
  "Connect stream",
  "Connect stream of JSON",
  "gRPC",
  "gRPC-Web",
  "gRPC port",
];

const isJson = (way: Way): boolean => way === "Connect stream of JSON" || way === "JSON";
const unknownFields = (way: Way): Buffer =>
  isJson(way)
    ? Buffer.from(`{${Array.from({ length: 1_000_000 }, (_, n) => `"x${n}":0`).join()}}`)
    : repeat(UNKNOWN, IMPORT_BYTES);
const emptyRows = (way: Way): Buffer =>
  isJson(way) ? repeatJson("orders", "{}", IMPORT_BYTES) : repeat(EMPTY_FIRST, IMPORT_BYTES);

const imports = { ways: STREAM_WAYS, method: IMPORT_ORDERS, mode: "authenticated" } as const;
/** What ImportOrders is told for a caller who may import; it takes no longer than the caller waits. */
const importing = {
  ways: ["Connect stream", "gRPC port"],
  hasToken: true,
  timeoutMs: 500,
  answers: IMPORTED,
} as const;

const onUnary = { mode: "open", ways: ["gRPC port", "gRPC", "gRPC-Web", "Connect"] } as const;
const withToken = {
  mode: "authenticated",
  ways: ["Connect", "gRPC", "gRPC port", "JSON"],
  hasToken: true,
} as const;
const emptyItems = (bytes: number) => (way: Way) =>
  isJson(way) ? repeatJson("items", "{}", bytes) : repeat(EMPTY_ITEM, bytes);
const emptyIds = (bytes: number) => (way: Way) =>
  isJson(way) ? repeatJson("ids", '""', bytes) : repeat(EMPTY_FIRST, bytes);
const onHttp: readonly Way[] = ["Connect", "JSON", "gRPC", "gRPC-Web"];
const decompression = (coding: Coding, ways: readonly Way[], method: string): Bomb => ({
  name: `decompression-${coding}-${method.split("/").at(-1)!.toLowerCase()}`,
  what: `64 MiB of zeros, compressed by ${coding}, to ${method.split("/").at(-1)}`,
  mode: "open",
  ways,
  method,
  message: () => Buffer.alloc(64 * MEBI),
  coding,
  answers: method === IMPORT_ORDERS ? TOO_COMPRESSED : TOO_LARGE,
});

const all: readonly Bomb[] = [
  {
    name: "unknown-fields-import",
    what: "16 MiB of unknown fields, compressed to 16 kB, to ImportOrders without a token",
    ...imports,
    message: unknownFields,
    coding: "gzip",
    answers: NO_TOKEN,
  },
  {
    name: "empty-rows-import",
    what: "16 MiB of empty rows, compressed to 16 kB, to ImportOrders without a token",
    ...imports,
    message: emptyRows,
    coding: "gzip",
    answers: NO_TOKEN,
  },
  {
    name: "plain-rows-import",
    what: "16 MiB of empty rows to ImportOrders without a token, as they are",
    ...imports,
    message: emptyRows,
    answers: NO_TOKEN,
  },
  {
    name: "unknown-fields-import-with-token",
    what: "16 MiB of unknown fields, compressed, to ImportOrders",
    ...imports,
    message: unknownFields,
    coding: "gzip",
    ...importing,
  },
  {
    name: "empty-rows-import-with-token",
    what: "16 MiB of empty rows, compressed, to ImportOrders",
    ...imports,
    message: emptyRows,
    coding: "gzip",
    ...importing,
  },
  {
    name: "plain-rows-import-with-token",
    what: "16 MiB of empty rows to ImportOrders, as they are",
    ...imports,
    message: emptyRows,
    ...importing,
  },
  {
    name: "unknown-fields-get-user",
    what: "4 MiB of unknown fields to GetUser on both ports, to a service for anybody",
    ...onUnary,
    method: GET_USER,
    message: () => repeat(UNKNOWN, CALL_BYTES),
    answers: TOO_LARGE,
  },
  {
    name: "unknown-fields-get-user-without-token",
    what: "4 MiB of unknown fields to GetUser on both ports, without a token",
    ...onUnary,
    mode: "authenticated",
    method: GET_USER,
    message: () => repeat(UNKNOWN, CALL_BYTES),
    answers: NO_TOKEN,
  },
  {
    name: "unknown-fields-within-limit",
    what: "16 kB of unknown fields to GetUser, as large as it may be",
    ...onUnary,
    method: GET_USER,
    message: () => repeat(UNKNOWN, 16_000),
    answers: BAD,
  },
  {
    name: "empty-items",
    what: "4 MiB of empty items, compressed to 4 kB, to CreateOrder",
    ...withToken,
    method: CREATE_ORDER,
    message: emptyItems(CALL_BYTES),
    coding: "gzip",
    answers: TOO_LARGE,
  },
  {
    name: "empty-items-within-limit",
    what: "half a MiB of empty items to CreateOrder, as large as it may be",
    ...withToken,
    method: CREATE_ORDER,
    message: emptyItems(500_000),
    answers: BAD,
  },
  {
    name: "empty-ids",
    what: "4 MiB of empty ids to BatchGetUsers",
    ...withToken,
    method: BATCH_GET_USERS,
    message: emptyIds(CALL_BYTES),
    answers: TOO_LARGE,
  },
  {
    name: "empty-ids-within-limit",
    what: "128 KiB of empty ids to BatchGetUsers, as large as it may be",
    ...withToken,
    method: BATCH_GET_USERS,
    message: emptyIds(130_000),
    answers: BAD,
  },
  {
    name: "nested-groups",
    what: "groups within groups, 8,000 deep, to GetUser",
    ...onUnary,
    method: GET_USER,
    message: () => repeat(NESTED, 8_000),
    answers: BAD,
  },
  {
    name: "nested-json",
    what: "arrays within arrays, 100,000 deep, to CreateOrder",
    mode: "open",
    ways: ["JSON"],
    method: CREATE_ORDER,
    message: () => Buffer.from(`{"items":${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
    answers: BAD,
  },
  ...(["gzip", "br"] as const).map((coding) => decompression(coding, onHttp, GET_USER)),
  ...(["gzip", "deflate"] as const).map((coding) => decompression(coding, ["gRPC port"], IMPORT_ORDERS)),
];

/** Requests that are small on the wire and large, or much work, behind it. */
export const bombs: readonly Attack[] = all.map(toAttack);

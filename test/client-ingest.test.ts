import { setImmediate as nextTurn } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import {
  createCommerceClient,
  type IngestOrdersRequest,
  type IngestOrdersRequestSchema,
} from "../client/src/index.ts";
import { createError } from "../src/errors.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { chunk, collect, drafts, play, reset } from "./support/client.ts";

/** Attempts follow one another at once. */
const retry = { backoffMs: 0 };

/** Answers each request of an ingest with a chunk, and fails at the calls' ends as it is told to. */
function ingesting(failAfter: readonly (number | undefined)[], error: ConnectError = reset) {
  const calls: { id: string; users: string[]; firstIndexes: bigint[] }[] = [];
  const ingestOrders = async function* (requests: AsyncIterable<IngestOrdersRequest>) {
    const call = { id: "", users: [] as string[], firstIndexes: [] as bigint[] };
    const most = failAfter[calls.push(call) - 1];
    let next: bigint | undefined;
    let answered = 0;
    for await (const { requestId, firstIndex, orders } of requests) {
      call.id = requestId;
      call.firstIndexes.push(firstIndex);
      call.users.push(...orders.map(({ userId }) => userId));
      next ??= firstIndex;
      if (answered++ === most) throw error;
      const { chunk: value } = chunk(next, next + BigInt(orders.length) - 1n);
      next += BigInt(orders.length);
      yield { answer: { case: "chunk" as const, value } };
    }
    yield { answer: { case: "summary" as const, value: {} } };
  };
  return { calls, client: createCommerceClient({ transport: play({ orders: { ingestOrders } }), retry }) };
}

type Request = MessageInitShape<typeof IngestOrdersRequestSchema>;
async function* pieces(count: number): AsyncGenerator<Request> {
  for (let n = 0; n < count; n += 1)
    yield { orders: [{ userId: `${n}a` }, { userId: `${n}b` }], firstIndex: 5n };
}

test("an ingest that is cut sends again what was not answered, and then what comes", async () => {
  const { client, calls } = ingesting([1, undefined]);

  const answers = await collect(client.orders.ingestOrders(pieces(3)));

  expect(
    answers.map(({ answer }) => (answer.case === "chunk" ? answer.value.lastIndex : answer.value)),
  ).toEqual([
    6n,
    8n,
    10n,
    expect.objectContaining({ insertedCount: 6n, existingCount: 0n, refusedCount: 0n }),
  ]);
  expect(calls.map(({ users, firstIndexes }) => [firstIndexes[0], users])).toEqual([
    [5n, ["0a", "0b", "1a", "1b"]],
    [7n, ["1a", "1b", "2a", "2b"]],
  ]);
  expect(calls[1]!.id).toBe(calls[0]!.id);
});

test("an ingest whose rows come slowly goes on in its call", async () => {
  const { client, calls } = ingesting([]);
  const more = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  const slow = async function* (): AsyncGenerator<Request> {
    yield { orders: drafts(1) };
    waiting.resolve();
    await more.promise;
    yield { orders: drafts(1) };
  };
  const answers = client.orders.ingestOrders(slow())[Symbol.asyncIterator]();

  await answers.next();
  const second = answers.next();
  await waiting.promise;
  more.resolve();

  expect((await second).value).toMatchObject({ answer: { case: "chunk", value: { lastIndex: 1n } } });
  expect((await answers.next()).value).toMatchObject({ answer: { value: { insertedCount: 2n } } });
  expect(calls.length).toBe(1);
});

test("a call that ends while it waits for rows is no failure, however often it happens", async () => {
  const error = toConnectError(createError("STREAM_IDLE", "the stream was idle"));
  const ingestOrders = async function* (requests: AsyncIterable<IngestOrdersRequest>) {
    for await (const { firstIndex } of requests) {
      yield { answer: { case: "chunk" as const, value: chunk(firstIndex, firstIndex).chunk } };
      throw error;
    }
  };
  const client = createCommerceClient({ transport: play({ orders: { ingestOrders } }), retry });
  const rows = async function* (): AsyncGenerator<Request> {
    for (let n = 0; n < 20; n += 1) yield { orders: drafts(1) };
  };

  const answers = await collect(client.orders.ingestOrders(rows()));

  expect(answers.at(-1)?.answer.value).toMatchObject({ insertedCount: 20n });
});

test.each([
  ["have been answered", true],
  ["have no answer", false],
])(
  "a source that cannot be read any further is not taken for its end, when its rows %s",
  async (_, answers) => {
    let calls = 0;
    const answered = Promise.withResolvers<void>();
    const ingestOrders = async function* (requests: AsyncIterable<IngestOrdersRequest>) {
      calls += 1;
      for await (const { firstIndex } of requests)
        if (answers) yield { answer: { case: "chunk" as const, value: chunk(firstIndex, firstIndex).chunk } };
    };
    const client = createCommerceClient({ transport: play({ orders: { ingestOrders } }), retry });
    const broken = new Error("the disk is gone");
    const source = async function* (): AsyncGenerator<Request> {
      yield { orders: drafts(1) };
      if (answers) await answered.promise;
      throw broken;
    };

    const failed = (async () => {
      for await (const { answer } of client.orders.ingestOrders(source()))
        if (answer.case === "chunk") answered.resolve();
    })();

    await expect(failed).rejects.toBe(broken);
    expect(calls).toBe(1);
  },
);

test("a source without rows makes no call", async () => {
  const { client, calls } = ingesting([]);

  const answers = await collect(client.orders.ingestOrders(pieces(0)));

  expect(answers.map(({ answer }) => answer.case)).toEqual(["summary"]);
  expect(calls).toEqual([]);
});

test("a source is read no further than ten thousand orders before their answers", async () => {
  const answer = Promise.withResolvers<void>();
  let read = 0;
  const ingestOrders = async function* (requests: AsyncIterable<IngestOrdersRequest>) {
    // A transport without flow control: whatever comes is taken.
    const taken = (async () => {
      let count = 0n;
      for await (const { orders } of requests) count += BigInt(orders.length);
      return count;
    })();
    await answer.promise;
    yield { answer: { case: "chunk" as const, value: chunk(0n, 9_999n).chunk } };
    yield { answer: { case: "chunk" as const, value: chunk(10_000n, (await taken) - 1n).chunk } };
  };
  const client = createCommerceClient({ transport: play({ orders: { ingestOrders } }) });
  const source = async function* (): AsyncGenerator<Request> {
    for (; read < 30; read += 1) yield { orders: drafts(500) };
  };

  const reading = collect(client.orders.ingestOrders(source()));
  await expect.poll(() => read).toBe(19);
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  expect(read).toBe(19);
  answer.resolve();

  expect((await reading).at(-1)?.answer.value).toMatchObject({ insertedCount: 15_000n });
});

test("an ingest that is left gives up its call and its source, also one that is being read", async () => {
  const { client } = ingesting([]);
  const never = Promise.withResolvers<void>();
  const source = async function* (): AsyncGenerator<Request> {
    yield { orders: drafts(1) };
    await never.promise;
  };

  for await (const { answer } of client.orders.ingestOrders(source())) {
    expect(answer.case).toBe("chunk");
    break;
  }
});

test.each([
  ["before the first", 0],
  ["after a row was answered", 1],
])("an ingest that is given up while its source has no rows ends, %s", async (_, before) => {
  const idle = toConnectError(createError("STREAM_IDLE", "the stream was idle"));
  const ingestOrders = async function* (requests: AsyncIterable<IngestOrdersRequest>) {
    for await (const { firstIndex } of requests) {
      yield { answer: { case: "chunk" as const, value: chunk(firstIndex, firstIndex).chunk } };
      throw idle;
    }
  };
  const client = createCommerceClient({ transport: play({ orders: { ingestOrders } }), retry });
  const leaving = new AbortController();
  const source = async function* (): AsyncGenerator<Request> {
    for (let n = 0; n < before; n += 1) yield { orders: drafts(1) };
    await new Promise(() => {});
  };

  const reading = collect(client.orders.ingestOrders(source(), { signal: leaving.signal }));
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  leaving.abort();

  await expect(reading).rejects.toMatchObject({ code: Code.Canceled });
});

import { Code, type ConnectError, type HandlerContext } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createCommerceClient, type ImportOrdersRequest } from "../client/src/index.ts";
import { createError, importSuperseded, shuttingDown } from "../src/errors.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { chunk, collect, drafts, play, reset } from "./support/client.ts";

/** Attempts follow one another at once. */
const retry = { backoffMs: 0 };

/** A service that answers an import in chunks of two rows, and cuts each call after so many chunks. */
function cutting(chunksMax: number, error: ConnectError = reset) {
  const requests: ImportOrdersRequest[] = [];
  const importOrders = async function* (request: ImportOrdersRequest) {
    requests.push(request);
    for (let at = 0; at < request.orders.length; at += 2) {
      if (at === 2 * chunksMax) throw error;
      const last = Math.min(at + 1, request.orders.length - 1);
      yield chunk(request.firstIndex + BigInt(at), request.firstIndex + BigInt(last));
    }
  };
  return { requests, client: createCommerceClient({ transport: play({ orders: { importOrders } }), retry }) };
}

const lastIndexes = (answers: readonly { chunk?: { lastIndex: bigint } | undefined }[]) =>
  answers.map((answer) => answer.chunk?.lastIndex);

test("an import that is cut goes on behind the last row that was answered, under one request_id", async () => {
  const { client, requests } = cutting(1);

  const answers = await collect(client.orders.importOrders({ orders: drafts(5), firstIndex: 10n }));

  expect(lastIndexes(answers)).toEqual([11n, 13n, 14n]);
  expect(requests.map(({ firstIndex, orders }) => [firstIndex, orders.map(({ userId }) => userId)])).toEqual([
    [10n, ["0", "1", "2", "3", "4"]],
    [12n, ["2", "3", "4"]],
    [14n, ["4"]],
  ]);
  expect(new Set(requests.map(({ requestId }) => requestId)).size).toBe(1);
});

test("an import goes on for as long as each of its calls brings something, and the caller's id is kept", async () => {
  const { client, requests } = cutting(1, toConnectError(shuttingDown(1)));
  const requestId = crypto.randomUUID();

  const answers = await collect(client.orders.importOrders({ orders: drafts(40), requestId }));

  expect([answers.length, requests.length]).toEqual([20, 20]);
  expect(requests.every((request) => request.requestId === requestId)).toBe(true);
});

test("an import gives up after eight calls in a row that bring nothing, with its request_id", async () => {
  const { client, requests } = cutting(0);

  const failed = collect(client.orders.importOrders({ orders: drafts(2) }));

  await expect(failed).rejects.toMatchObject({ code: Code.Aborted, attempts: 8, inDoubt: true });
  await expect(failed).rejects.toMatchObject({ requestId: requests[0]?.requestId });
  expect(requests.length).toBe(8);
});

test.each([
  ["another attempt works at it", toConnectError(importSuperseded())],
  [
    "a row was refused that is to stop it",
    toConnectError(createError("STOPPED_ON_ERROR", "row 3", { metadata: { index: "3" } })),
  ],
])("an import ends when %s", async (_, error) => {
  const { client, requests } = cutting(1, error);

  const failed = collect(client.orders.importOrders({ orders: drafts(4), stopOnError: true }));

  await expect(failed).rejects.toMatchObject({ code: Code.Aborted, attempts: 1 });
  expect(requests.map(({ stopOnError }) => stopOnError)).toEqual([true]);
});

test("a call that ends well before its rows are answered is followed by another", async () => {
  let calls = 0;
  const importOrderItems = async function* ({ firstIndex }: { firstIndex: bigint }) {
    if (++calls < 3) yield chunk(firstIndex, firstIndex);
    else yield chunk(firstIndex, 3n);
  };
  const client = createCommerceClient({ transport: play({ orders: { importOrderItems } }), retry });

  const answers = await collect(client.orders.importOrderItems({ items: drafts(4).map(() => ({})) }));

  expect(lastIndexes(answers)).toEqual([0n, 1n, 3n]);
});

test("retry: false attempts an import once", async () => {
  const importOrders = async function* () {
    yield chunk(0n, 1n);
    throw reset;
  };
  const client = createCommerceClient({ transport: play({ orders: { importOrders } }), retry: false });

  const failed = collect(client.orders.importOrders({ orders: drafts(4) }));

  await expect(failed).rejects.toMatchObject({ attempts: 1 });
});

test("an import that is left is given up", async () => {
  let isLeft = false;
  const importOrders = async function* (_: ImportOrdersRequest, { signal }: HandlerContext) {
    signal.addEventListener("abort", () => (isLeft = true));
    yield chunk(0n, 0n);
    await new Promise(() => {});
  };
  const ends: unknown[] = [];
  const client = createCommerceClient({
    transport: play({ orders: { importOrders } }),
    onAttempt: () => (end) => ends.push(end.code),
  });

  for await (const answer of client.orders.importOrders({ orders: drafts(4) })) {
    expect(answer.chunk?.lastIndex).toBe(0n);
    break;
  }

  await expect.poll(() => isLeft).toBe(true);
  expect(ends).toEqual([Code.Canceled]);
});

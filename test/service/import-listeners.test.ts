import { randomUUID } from "node:crypto";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { OrderService, type ImportOrdersResponse } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { errorDetails } from "../../src/rpc/status.ts";
import { failure, toFailure } from "../support/errors.ts";
import { countOrders, drafts, grpcJsImports, readAll, summarize } from "../support/imports.ts";
import { line, openShop, type Shop } from "../support/shop.ts";

const chunksOf = (read: readonly ImportOrdersResponse[]) => read.map(({ chunk }) => chunk);

async function givenImport(shop: Shop, count: number) {
  const [ada, lamp] = [await shop.user(), await shop.product(1_000_000n)];
  return { ada, lamp, requestId: randomUUID(), orders: drafts(ada.id, lamp, count) };
}

test("ImportOrders accepts 16 MiB, other methods 4, and more is answered RESOURCE_EXHAUSTED", async () => {
  await using shop = await openShop();
  using grpcJs = grpcJsImports(shop);
  const [ada, lamp] = [await shop.user(), await shop.product()];
  // In the id of an item, which counts on the wire and nowhere else.
  const padded = (bytes: number) => ({ userId: ada.id, items: [{ ...line(lamp), id: "x".repeat(bytes) }] });
  const ofHalfMebibytes = (count: number) => ({
    orders: Array.from({ length: count }, () => padded(2 ** 19)),
  });
  const overHttp = createClient(
    OrderService,
    createConnectTransport({ baseUrl: shop.httpUrl, httpVersion: "1.1" }),
  );

  for (const client of [grpcJs, overHttp]) {
    const large = await readAll<ImportOrdersResponse>(client.importOrders(ofHalfMebibytes(31)));
    const over = await readAll<ImportOrdersResponse>(client.importOrders(ofHalfMebibytes(32)));

    expect(summarize(chunksOf(large.read)).inserted).toBe(31);
    expect((over.error as { code: number }).code).toBe(Code.ResourceExhausted);
  }
  for (const client of [shop.orders, overHttp])
    expect(await failure(client.createOrder(padded(4 * 2 ** 20)))).toMatchObject({
      code: "ResourceExhausted",
    });
});

test("ImportOrders answers the client of @grpc/grpc-js and Connect over HTTP/1.1 alike", async () => {
  await using shop = await openShop();
  using grpcJs = grpcJsImports(shop);
  const { orders } = await givenImport(shop, 1_200);
  const overHttp = createClient(
    OrderService,
    createConnectTransport({ baseUrl: shop.httpUrl, httpVersion: "1.1", useBinaryFormat: false }),
  );

  const first = await readAll<ImportOrdersResponse>(grpcJs.importOrders({ orders }));
  const second = await readAll(overHttp.importOrders({ orders }));

  for (const { read } of [first, second])
    expect(summarize(chunksOf(read))).toEqual({ inserted: 1_200, existing: 0, refused: {} });
});

test("ImportOrders reports refused rows in JSON, with their details", async () => {
  await using shop = await openShop();
  const { orders } = await givenImport(shop, 2);
  orders[1] = { userId: randomUUID(), items: orders[1]!.items! };
  const overHttp = createClient(
    OrderService,
    createConnectTransport({
      baseUrl: shop.httpUrl,
      httpVersion: "1.1",
      useBinaryFormat: false,
      jsonOptions: { registry: errorDetails },
    }),
  );

  const { read, error } = await readAll(overHttp.importOrders({ orders }));

  expect(error).toBeUndefined();
  expect(summarize(chunksOf(read))).toEqual({ inserted: 1, existing: 0, refused: { 1: "USER_NOT_FOUND" } });
});

test("stop() ends ImportOrders between chunks with UNAVAILABLE and the last index that was answered", async () => {
  await using shop = await openShop();
  const { orders, requestId } = await givenImport(shop, 20_000);
  let stopping: Promise<boolean> | undefined;

  const { read, error } = await readAll(shop.orders.importOrders({ orders, requestId }), () => {
    stopping ??= shop.server.stop();
    return false;
  });

  const last = read.at(-1)!.chunk!.lastIndex;
  expect(toFailure(error)).toMatchObject({
    code: "Unavailable",
    reason: "SHUTTING_DOWN",
    metadata: { last_index: String(last) },
  });
  expect(await stopping).toBe(true);
  expect(await countOrders(shop)).toBe(Number(last) + 1);
});

import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { Call } from "../src/call.ts";
import type { Database } from "../src/db/engine/database.ts";
import {
  ImportOrderItemsRequestSchema,
  OrderItemDraftSchema,
} from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { importService } from "../src/services/imports.ts";
import { price } from "./support/shop.ts";

const never = new AbortController().signal;
const item = { productId: randomUUID(), quantity: 1, unitPrice: price };
const left = (n: number, verdict: string) => ({ n, verdict, orderCurrency: "EUR", status: "pending" });

test("a row that the first run of a chunk has added is no row that was there before, when a second run finds it", async () => {
  // The second of two rows is refused; what was left behind makes that wait, and both rows run again.
  const answers = [[left(1, "unknown_order")], [left(0, "existed"), left(1, "unknown_order")]];
  const database = {
    query: async () => answers.shift()!,
    orphansEnded: () => Promise.resolve(),
  } as unknown as Database;
  const rows = [0, 1].map(() => create(OrderItemDraftSchema, { orderId: randomUUID(), item }));
  const call: Call = {
    signal: never,
    draining: never,
    deadlineMs: Infinity,
    refusalMs: 0,
    holder: "ada",
    principal: "ada",
    rowsOf: () => rows,
    working: (work) => work,
  };
  const tools = { check: () => {}, toStatus: () => ({ code: 5 }) };

  const { importOrderItems } = importService(database, tools);
  const request = create(ImportOrderItemsRequestSchema, { requestId: randomUUID() });
  const chunks: unknown[] = [];
  for await (const chunk of importOrderItems(request, call)) chunks.push(chunk);

  expect(answers).toEqual([]);
  expect(chunks).toMatchObject([
    { chunk: { insertedCount: 1, existingCount: 0, refused: [{ index: 1n, status: { code: 5 } }] } },
  ]);
});

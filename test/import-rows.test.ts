import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readLines } from "../scripts/import/lines.ts";
import { readItems, readOrders, type Row, type Rows } from "../scripts/import/rows.ts";
import { type OrderItem, StockPolicy } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { itemFiles } from "./support/csv-files.ts";
import type { Item, Model } from "./support/import-files.ts";
import { orderFiles } from "./support/json-files.ts";

/** The bytes in pieces of a size: a line, a quote or a character may be cut anywhere. */
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readAll<T>(rows: Rows<T>): Promise<Row<T>[]> {
  const all: Row<T>[] = [];
  for await (const some of rows) all.push(...some);
  return all;
}

/** What was read of the lines that are sound, and the lines of all rows, which the service may refuse. */
function toSeen<T>(rows: readonly Row<T>[], { refusedLines }: Model<unknown>) {
  const sound = rows.filter(({ line }) => !refusedLines.includes(line));
  return {
    refusedLines: rows.map(({ line }) => line).filter((line) => refusedLines.includes(line)),
    problems: sound.flatMap(({ problem }) => problem ?? []),
    messages: sound.map(({ message }) => message),
  };
}

function toModel(item: OrderItem | undefined): Item {
  const { units, nanos } = item!.unitPrice!;
  const price = `${units}.${String(nanos).padStart(9, "0").slice(0, 4)}`;
  return { product: item!.productId, quantity: item!.quantity, price };
}

const ids = Array.from({ length: 3 }, () => randomUUID());
const pieces = fc.integer({ min: 1, max: 300 });

test("rows of CSV are what the file says, wherever its bytes are cut", async () => {
  const property = fc.asyncProperty(itemFiles(ids, ids), pieces, async (file, size) => {
    const rows = await readAll(readItems(readLines(inPieces(file.bytes, size))));

    const { messages, ...seen } = toSeen(rows, file);
    expect(seen).toEqual({ refusedLines: file.refusedLines, problems: [] });
    const items = messages.map(({ orderId, item }) => ({ order: orderId, ...toModel(item) }));
    expect(items).toEqual(file.stored);
  });

  await fc.assert(property, { numRuns: 100 });
});

test("rows of JSON are what the file says, wherever its bytes are cut", async () => {
  const property = fc.asyncProperty(orderFiles(ids[0]!, ids), pieces, async (file, size) => {
    const rows = await readAll(readOrders(readLines(inPieces(file.bytes, size))));

    const { messages, ...seen } = toSeen(rows, file);
    expect(seen).toEqual({ refusedLines: file.refusedLines, problems: [] });
    const orders = messages.map(({ userId, stockPolicy, items }) => ({
      user: userId,
      reserves: stockPolicy === StockPolicy.RESERVE,
      items: items.map(toModel),
    }));
    expect(orders).toEqual(file.stored);
  });

  await fc.assert(property, { numRuns: 100 });
});

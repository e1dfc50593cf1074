import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { OrderDraftSchema } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { drafts, type Draft } from "./imports.ts";
import { runToEnd, type Ended } from "./processes.ts";
import type { Shop } from "./shop.ts";

/** Runs the import to its end. */
export function importFile(shop: Shop, ...args: readonly string[]): Promise<Ended> {
  return runToEnd(process.execPath, ["scripts/import.ts", "--url", shop.grpcUrl, ...args]);
}

/** A directory for the files of an import. */
export function givenDirectory() {
  return mkdtempDisposable(path.join(tmpdir(), "commerce-import-"));
}

export function toLines(orders: readonly Draft[]): string[] {
  return orders.map((order) => toJsonString(OrderDraftSchema, create(OrderDraftSchema, order)));
}

/** A file of orders in a directory of its own, and whom and what they are for. */
export async function givenFile(shop: Shop, count: number) {
  const directory = await givenDirectory();
  const [ada, lamp] = [await shop.user(), await shop.product(1_000_000n)];
  const lines = toLines(drafts(ada.id, lamp, count));
  const file = path.join(directory.path, "orders.ndjson");
  await writeFile(file, `${lines.join("\n")}\n`);
  return { file, lines, ada, lamp, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { toRules } from "../scripts/rules.ts";
import { services } from "../src/bindings.ts";
import { AdjustStockRequestSchema } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import {
  CreateOrderRequestSchema,
  ImportOrdersRequestSchema,
} from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { ReadConsistencySchema } from "../src/gen/commerce/read/v1/read_consistency_pb.ts";
import { BatchGetUsersRequestSchema, UserSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";

async function writeReference(): Promise<string> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "document-api-test-"));
  const file = path.join(directory.path, "api.md");
  const script = path.join(import.meta.dirname, "../scripts/document-api.ts");
  await promisify(execFile)(process.execPath, [script, file]);
  return await readFile(file, "utf8");
}

const text = await writeReference();

test("docs/api.md has a heading for each method and each type, and no link leads nowhere", () => {
  const headings = Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading = ""]) => heading);
  const links = Array.from(text.matchAll(/\]\(#([^)]*)\)/g), ([, anchor = ""]) => anchor);
  const named = services.flatMap(({ name, methods, file }) => [
    name,
    ...[...methods, ...file.messages, ...file.enums].map((each) => each.name),
  ]);

  // It is of no service alone.
  named.push(ReadConsistencySchema.name);
  expect(headings.toSorted()).toEqual(["API", ...named].toSorted());
  const anchors = new Set(headings.map((heading) => heading.toLowerCase()));
  expect(links.filter((link) => !anchors.has(link))).toEqual([]);
});

test("a method has its scopes, how it may be repeated, its limits and its reasons", () => {
  const [, method = ""] = /### IngestOrders\n([^]*?)\n### /.exec(text) ?? [];

  expect(method).toContain(`|  |  |
| --- | --- |
| scopes | \`orders.write\` |
| repeated | safe with the same \`request_id\`: it happens once |
| streams | requests and answers |
| a request | at most 4 MiB |
| deadline | none but the caller's |
| idle | at most 300 s |
| reasons | USER_NOT_FOUND, PRODUCT_NOT_FOUND, INSUFFICIENT_STOCK, IMPORT_SUPERSEDED, `);
});

test.each([
  ["numbers", AdjustStockRequestSchema.field.delta, "lte 1000000000, gte -1000000000, not_in 0"],
  ["elements", BatchGetUsersRequestSchema.field.ids, "min_items 1, max_items 1000, each uuid"],
  ["texts", UserSchema.field.name, 'max_len 200, not_contains `"\\u0000"`'],
  ["enums", CreateOrderRequestSchema.field.stockPolicy, "defined_only"],
  ["rows", ImportOrdersRequestSchema.field.orders, "each by itself"],
  ["nothing", UserSchema.field.createTime, ""],
])("the rules of %s are said by their names", (_, field, words) => {
  expect(toRules(field)).toBe(words);
});

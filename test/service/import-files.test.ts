import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { execute } from "../support/databases.ts";
import { givenDirectory, importFile } from "../support/import-command.ts";
import { itemFiles, type ItemOfOrder } from "../support/csv-files.ts";
import type { Model } from "../support/import-files.ts";
import { orderFiles } from "../support/json-files.ts";
import { openShop, type Shop } from "../support/shop.ts";

// Each run starts the command, which takes longer than all else of it: few runs, of long files.
const runs = { numRuns: 3, endOnFailure: true };

/** Imports a file and returns what the command says of it: how it ended, and the lines that it refused. */
async function importBytes(shop: Shop, bytes: Buffer, ...options: readonly string[]) {
  await using directory = await givenDirectory();
  const file = path.join(directory.path, "file");
  await writeFile(file, bytes);
  const { code, stdout } = await importFile(shop, file, ...options);
  const list = await readFile(`${file}.refused`, "utf8").catch(() => "");
  const refused = list.split("\n").filter((text) => text !== "");
  const lines = refused.map((text) => (JSON.parse(text) as { line: number }).line);
  return { code, said: /^[^(]*/.exec(stdout)?.[0], lines };
}

/** What the command is to say of a file. */
function toAnswer({ stored, refusedLines: lines }: Model<unknown>) {
  const said = `${stored.length} inserted, 0 there before, ${lines.length} refused `;
  return { code: lines.length > 0 ? 1 : 0, said, lines };
}

const selectItems = `
  select id, order_id as "order", product_id as product, quantity,
    unit_price::numeric(19, 4)::text as price
  from order_items where not id = any($1::uuid[]) order by position`;

test("import --items stores each line of a file exactly, or refuses it by its number", async () => {
  await using shop = await openShop();
  const [ada, lamp, pen] = [await shop.user(), await shop.product(), await shop.product()];
  const orders = await shop.manyOrders(ada.id, 3);
  const known: string[] = [];
  const byOrder = (items: readonly ItemOfOrder[]) => Object.groupBy(items, ({ order }) => order);
  const property = fc.asyncProperty(itemFiles(orders, [lamp.id, pen.id]), async (file) => {
    const answer = await importBytes(shop, file.bytes, "--items");

    expect(answer).toEqual(toAnswer(file));
    const rows = await execute<ItemOfOrder & { id: string }>(shop.connection, selectItems, [known]);
    known.push(...rows.map(({ id }) => id));
    expect(byOrder(rows.map(({ id: _, ...item }) => item))).toEqual(byOrder(file.stored));
  });

  await fc.assert(property, runs);
});

const selectOrders = `
  select o.id, o.user_id as "user", o.reserves_stock as reserves, json_agg(json_build_object(
    'product', i.product_id, 'quantity', i.quantity, 'price', i.unit_price::numeric(19, 4)::text
  ) order by i.position) as items
  from orders o join order_items i on i.order_id = o.id where not o.id = any($1::uuid[])
  group by o.id`;

test("import stores each order of a file exactly, or refuses it by its line", async () => {
  await using shop = await openShop();
  const ada = await shop.user();
  const [lamp, pen] = [await shop.product(1_000_000n), await shop.product(1_000_000n)];
  const known: string[] = [];
  const sorted = (orders: readonly unknown[]) => orders.map((each) => JSON.stringify(each)).toSorted();
  const property = fc.asyncProperty(orderFiles(ada.id, [lamp.id, pen.id]), async (file) => {
    const answer = await importBytes(shop, file.bytes);

    expect(answer).toEqual(toAnswer(file));
    const rows = await execute<{ id: string }>(shop.connection, selectOrders, [known]);
    known.push(...rows.map(({ id }) => id));
    expect(sorted(rows.map(({ id: _, ...order }) => order))).toEqual(sorted(file.stored));
  });

  await fc.assert(property, runs);
});

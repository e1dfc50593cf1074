import { expect, test } from "vitest";
import { toOrder } from "../src/db/orders/orders.ts";

const order = {
  id: "order",
  userId: "user",
  status: "pending",
  currencyCode: "EUR",
  total: 0n,
  itemCount: 3,
  reservesStock: true,
  version: 1n,
  createTime: 0n,
  updateTime: 0n,
} as const;

test("the items of an order come by position, in whatever order the database returns them", () => {
  const items = [2, 0, 1].map((at) => [at, `item ${at}`, "product", 1, "9.99"] as const);

  const read = toOrder({ ...order, items });

  expect(read.items!.map(({ id }) => id)).toEqual(["item 0", "item 1", "item 2"]);
});

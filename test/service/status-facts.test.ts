import { expect, test } from "vitest";
import { allStatuses } from "../../src/db/order-status.ts";
import { OrderStatus } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { createTestDatabase, execute } from "../support/databases.ts";

// A status is named in three places: its facts, the constraint of the table, the contract.

test("the constraint of the table takes the statuses that have facts, and no others", async () => {
  await using database = await createTestDatabase();

  const [constraint] = await execute<{ text: string }>(
    database.connection,
    "select pg_get_constraintdef(oid) as text from pg_constraint where conname = 'orders_status_check'",
  );

  const taken = Array.from(constraint!.text.matchAll(/'(\w+)'/g), ([, status]) => status);
  expect(new Set(taken)).toEqual(new Set(allStatuses));
});

test("each status of the contract has its facts", () => {
  const names = Object.keys(OrderStatus).filter((name) => /^[A-Z_]+$/.test(name) && name !== "UNSPECIFIED");

  expect(new Set(names.map((name) => name.toLowerCase()))).toEqual(new Set(allStatuses));
});

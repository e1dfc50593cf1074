import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { parseDraft } from "../src/services/order-drafts.ts";

const id = randomUUID();
const call = { id, refusalMs: 0 };
/** An order of many pieces at the largest price. */
const draft = (units: bigint, quantities: readonly number[]) => ({
  userId: id,
  stockPolicy: 0,
  items: quantities.map((quantity) => ({
    productId: id,
    quantity,
    unitPrice: { currencyCode: "EUR", units, nanos: 999_900_000 },
  })),
});

test("the total of an order is below 10^15, all items together", () => {
  const most = parseDraft(draft(999_999_999_999_999n, [1]) as never, call);
  const more = () => parseDraft(draft(499_999_999_999_999n, [1, 1, 1]) as never, call);

  expect(most.total).toBe(9_999_999_999_999_999_999n);
  expect(more).toThrow(
    expect.objectContaining({ reason: "INVALID_FIELD", message: expect.stringMatching(/^items/) }),
  );
});

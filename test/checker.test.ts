import { expect, test } from "vitest";
import { check } from "./faults/checker.ts";
import type { Request } from "./faults/history.ts";
import {
  ada,
  answered,
  confirm,
  confirmed,
  createOther,
  createUser,
  entry,
  failed,
  goodStory,
  lamp,
  more,
  moved,
  ok,
  order,
  other,
  pathOf,
  restocked,
  stored,
  storedOrder,
  told,
  unknown,
  without,
  type Story,
} from "./faults/story.ts";

test("The checker finds nothing in a history in which nothing is wrong", () => {
  const { history, state } = goodStory();

  expect(check(history, state)).toEqual([]);
});

test.each<[string, string, Story]>([
  ["a total that is stored wrong", "I1: total 304", storedOrder({ total: 304 })],
  ["a number of items that is stored wrong", "I1: total 303 and 2 items", storedOrder({ itemCount: 2 })],
  [
    "an answer with another total",
    "I1: total 304",
    answered(31, ok({ orders: [{ ...confirmed, total: 304 }] })),
  ],
  [
    "an answer with another user",
    "I1: shown as",
    answered(31, ok({ orders: [{ ...confirmed, userId: "eve" }] })),
  ],
  ["stock that has gone", "I2: 6 came in, but 2", restocked(2)],
  ["stock that has come from nowhere", "I2: 6 came in, but 4", restocked(4)],
  ["stock that a cancelled order kept", "I2: 6 came in, but 3", storedOrder({ status: "cancelled" })],
  [
    "stock below zero",
    "I2: the stock is -1",
    answered(11, ok({ products: [{ ...lamp, onHand: -1, version: 2 }] })),
  ],
  [
    "an order that is stored twice",
    "I3: order asked for by one request: 2 stored",
    stored(({ orders }) => ({ orders: [...orders, { ...orders[0]!, id: "twin" }] })),
  ],
  ["an order without a request", "I3: order that nobody asked for", without(19)],
  [
    "an adjustment that is stored twice",
    "I3: adjustment by -4: 2 stored",
    stored(({ movements }) => ({ movements: [...movements, ...movements] })),
  ],
  [
    "a version of a user without a change",
    "I3: user has version 3 after 1 changes",
    stored(({ users: [user] }) => ({ users: [{ ...user!, version: 3 }] })),
  ],
  ["a step without a request", "I3: became confirmed, which nobody asked for", without(13, 15)],
  [
    "a replay that is answered with another order",
    "I3: answered order and other",
    answered(17, ok({ orders: [other] })),
  ],
  [
    "a replay that is refused",
    "I3: acknowledged, and refused later",
    answered(17, failed("FailedPrecondition")),
  ],
  [
    "one request id for two contents",
    "I3: one request id stands for 2 contents",
    more({ ...createOther, requestId: "create" } as Request, ok({ orders: [other] })),
  ],
  [
    "an acknowledged order that is not stored",
    "I4: order asked for by one request: 1 acknowledged, 0 stored",
    stored(({ orders }) => ({ orders: orders.slice(1) })),
  ],
  [
    "an answer with an order that is not stored",
    "I4: the order was shown and is not stored",
    answered(31, ok({ orders: [{ ...confirmed, id: "ghost" }] })),
  ],
  [
    "an acknowledged user under another id",
    "I4: user eve was the answer and is not stored",
    answered(1, ok({ users: [{ ...ada, id: "eve" }] })),
  ],
  [
    "an acknowledged adjustment that is not stored",
    "I4: adjustment by -4: 1 acknowledged, 0 stored",
    stored(() => ({ movements: [] })),
  ],
  [
    "an acknowledged change of a user that is not stored",
    "I4: changes of a user: 1 acknowledged, 0 stored",
    stored(() => ({ userChanges: [] })),
  ],
  [
    "an acknowledged step that is not stored",
    "I4: step to confirmed: 1 acknowledged",
    moved(...pathOf("order", "pending")),
  ],
  ["a refused order that is stored", "I5: order asked for", answered(19, failed("FailedPrecondition"))],
  [
    "an order that was refused when an attempt before was still under way",
    "I5: order asked for",
    told(19, (each) => [{ ...each, outcome: unknown }, entry(41, createOther, failed("FailedPrecondition"))]),
  ],
  [
    "an order that one replica refused while another one had been asked for it",
    "I5: order asked for",
    told(19, (each) => [
      { ...each, replica: 0, outcome: unknown, returned: 40 },
      { ...each, replica: 1, invoked: 37, returned: 38, outcome: failed("FailedPrecondition") },
    ]),
  ],
  ["a refused adjustment that is stored", "I5: adjustment by -4", answered(25, failed("FailedPrecondition"))],
  ["a refused step that is stored", "I5: step to confirmed", answered(13, failed("Aborted"))],
  [
    "a refused name that is seen",
    "I5: the refused name Ada/3 was seen",
    stored(({ users: [user] }) => ({ users: [{ ...user!, name: "Ada/3" }] })),
  ],
  [
    "half of a batch",
    "I5: made 1 of its steps",
    told(13, () => [entry(13, confirm("batch", "", "order", "other"), unknown)]),
  ],
  [
    "a step that is not in the machine",
    "I6: version 2, shipped",
    moved(...pathOf("order", "pending", "shipped")),
  ],
  [
    "a version that is missing",
    "I6: version 3, confirmed",
    moved(...pathOf("order", "pending"), { orderId: "order", version: 3, status: "confirmed" }),
  ],
  [
    "a version that exists twice",
    "I6: version 2, cancelled",
    moved(...pathOf("order", "pending", "confirmed"), { orderId: "order", version: 2, status: "cancelled" }),
  ],
  [
    "an order that is not where its events end",
    "I6: version 1, pending",
    storedOrder({ status: "pending", version: 1 }),
  ],
  ["two winners of one step", "I7: 2 calls made it confirmed", answered(15, ok({ orders: [confirmed] }))],
  [
    "a step from another version than its etag names",
    "I7: became confirmed with version 2, its etag allowed 3",
    told(13, (each) => [{ ...each, request: confirm("confirm", '"2"', "order") }]),
  ],
  [
    "a read of less than was shown before",
    "I8: version 2 was seen, and an older one",
    answered(31, ok({ orders: [order] })),
  ],
  [
    "events that end before what was shown before",
    "I8: version 2 was seen, and an older one",
    answered(33, ok({ events: pathOf("order", "pending") })),
  ],
  [
    "an answer to a change without the change",
    "I8: was to become confirmed",
    answered(13, ok({ orders: [order] })),
  ],
  [
    "a read of what is asked for later",
    "I8: version 2 was seen before anybody asked for it",
    answered(9, ok({ orders: [confirmed] })),
  ],
  [
    "two contents of one version",
    "I8: version 2 was seen as 8 in stock and as 7 in stock",
    answered(11, ok({ products: [8, 7].map((onHand) => ({ ...lamp, onHand, version: 2 })) })),
  ],
  ["NOT_FOUND for what was shown before", "I8: GetOrder: NOT_FOUND", answered(31, failed("NotFound"))],
  [
    "NOT_FOUND for the user of an order that was shown before",
    "I8: GetUser: NOT_FOUND",
    more({ method: "GetUser", id: "ada" }, failed("NotFound")),
  ],
  ["an order without its user", "I9: the order has no user", storedOrder({ userId: "nobody" })],
  [
    "a walk that misses an order",
    "I10: a walk through the pages met the order not at all",
    answered(23, ok()),
  ],
  [
    "a walk that meets an order twice",
    "I10: a walk through the pages met the order more than once",
    answered(23, ok({ orders: [other, confirmed] })),
  ],
  [
    "a walk in the wrong order",
    "I10: a walk through the pages met the order behind an older one",
    answered(21, ok({ orders: [confirmed, other], more: true })),
  ],
  [
    "a walk that leaves its filter",
    "I10: a walk through the pages met the order of another user",
    answered(23, ok({ orders: [{ ...confirmed, userId: "eve" }] })),
  ],
  [
    "two users with one email",
    "I13: 2 users have the email ada@example.com",
    stored(({ users }) => ({
      users: [...users, { ...ada, id: "eve", name: "Eve", email: "ADA@example.com" }],
    })),
  ],
  [
    "ALREADY_EXISTS without a rival",
    "I13: ALREADY_EXISTS, but nobody",
    more(createUser("own", "eve@example.com", "Eve/1"), failed("AlreadyExists")),
  ],
  [
    "INTERNAL",
    "I13: GetOrder was answered INTERNAL",
    answered(31, { kind: "unknown", code: "Internal", reason: "" }),
  ],
])("The checker finds %s", (_title, expected, { history, state }) => {
  const found = check(history, state).map(({ invariant, sentence }) => `${invariant}: ${sentence}`);

  expect(found).toContainEqual(expect.stringContaining(expected));
});

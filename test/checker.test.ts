import { expect, test } from "vitest";
import { check, type Invariant } from "./faults/checker.ts";
import type { Request, SeenOrder } from "./faults/history.ts";
import {
  ada,
  answered,
  basic,
  confirm,
  confirmed,
  createOther,
  entry,
  eventsOf,
  failed,
  goodStory,
  lamp,
  lines,
  more,
  ok,
  order,
  other,
  otherLines,
  stored,
  told,
  unknown,
  without,
  type Story,
} from "./faults/story.ts";

test("The checker finds nothing in a history in which nothing is wrong", () => {
  const { history, state } = goodStory();

  expect(check(history, state)).toEqual([]);
});

test("The checker takes a call of unknown outcome for done and for not done", () => {
  const cancel: Request = { requestId: "?", method: "AdjustStock", productId: "lamp", delta: -1 };
  const { history, state } = more(35, 36, cancel, unknown)();
  const done = {
    ...state,
    movements: [...state.movements, { productId: "lamp", delta: -1 }],
    products: [{ ...state.products[0]!, onHand: 0, version: 5 }],
  };

  expect([check(history, state), check(history, done)]).toEqual([[], []]);
});

const orders = (change: Partial<SeenOrder>) =>
  stored((state) => ({ orders: [{ ...state.orders[0]!, ...change }, state.orders[1]!] }));
const withEvents = (...events: { version: number; status: SeenOrder["status"] }[]) =>
  stored((state) => ({
    events: [...events.map((event) => ({ orderId: "order", ...event })), state.events.at(-1)!],
  }));

test.each<[string, Invariant, () => Story]>([
  ["a total that is stored wrong", "I1", orders({ total: 304 })],
  ["a number of items that is stored wrong", "I1", orders({ itemCount: 2 })],
  ["an answer with another total", "I1", answered(31, ok({ orders: [{ ...confirmed, total: 304, lines }] }))],
  [
    "an answer with other items",
    "I1",
    answered(31, ok({ orders: [{ ...confirmed, total: 404, lines: otherLines }] })),
  ],
  [
    "stock that has gone",
    "I2",
    stored(({ products: [product] }) => ({ products: [{ ...product!, onHand: 0 }] })),
  ],
  [
    "stock that has come from nowhere",
    "I2",
    stored(({ products: [product] }) => ({ products: [{ ...product!, onHand: 2 }] })),
  ],
  ["stock that a cancelled order kept", "I2", orders({ status: "cancelled" })],
  [
    "stock below zero in an answer",
    "I2",
    answered(11, ok({ products: [{ ...lamp, onHand: -1, version: 2 }] })),
  ],
  [
    "an order that is stored twice",
    "I3",
    stored((state) => ({ orders: [...state.orders, { ...state.orders[0]!, id: "twin" }] })),
  ],
  ["an order that nobody asked for", "I3", without(19)],
  [
    "an adjustment that is stored twice",
    "I3",
    stored(({ movements }) => ({ movements: [...movements, ...movements] })),
  ],
  [
    "a change of a user that is stored twice",
    "I3",
    stored(({ userChanges }) => ({ userChanges: [...userChanges, ...userChanges] })),
  ],
  ["a step that nobody asked for", "I3", without(13, 15)],
  ["a replay that is answered with another order", "I3", answered(17, ok({ orders: [other] }))],
  ["a replay that is refused", "I3", answered(17, failed("FailedPrecondition"))],
  [
    "one request id for two contents",
    "I3",
    more(35, 36, { ...createOther, requestId: "create" } as Request, ok({ orders: [other] })),
  ],
  ["an acknowledged order that is not stored", "I4", stored((state) => ({ orders: [state.orders[1]!] }))],
  ["an acknowledged user who is not stored", "I4", stored(() => ({ users: [] }))],
  ["an acknowledged adjustment that is not stored", "I4", stored(() => ({ movements: [] }))],
  ["an acknowledged change of a user that is not stored", "I4", stored(() => ({ userChanges: [] }))],
  ["an acknowledged step that is not stored", "I4", withEvents({ version: 1, status: "pending" })],
  ["a refused order that is stored", "I5", answered(19, failed("FailedPrecondition"))],
  [
    "a refused order that an attempt before may have placed",
    "I5",
    told(19, (each) => [
      { ...each, outcome: unknown },
      entry(41, 42, createOther, failed("FailedPrecondition")),
    ]),
  ],
  ["a refused adjustment that is stored", "I5", answered(25, failed("FailedPrecondition"))],
  ["a refused step that is stored", "I5", answered(13, failed("Aborted"))],
  [
    "a refused name that is seen",
    "I5",
    stored(({ users: [user] }) => ({ users: [{ ...user!, name: "Ada/3" }] })),
  ],
  [
    "half of a batch",
    "I5",
    told(13, (each) => [
      {
        ...each,
        outcome: unknown,
        request: {
          requestId: "batch",
          method: "BatchUpdateOrderStatuses",
          changes: ["order", "other"].map((id) => ({ id, status: "confirmed", etag: "" })),
        },
      },
    ]),
  ],
  [
    "a step that the machine does not have",
    "I6",
    withEvents({ version: 1, status: "pending" }, { version: 2, status: "shipped" }),
  ],
  [
    "a version that is missing",
    "I6",
    withEvents({ version: 1, status: "pending" }, { version: 3, status: "confirmed" }),
  ],
  [
    "a version that exists twice",
    "I6",
    withEvents(
      { version: 1, status: "pending" },
      { version: 2, status: "confirmed" },
      { version: 2, status: "cancelled" },
    ),
  ],
  ["an order that is not where its history ends", "I6", orders({ status: "pending", version: 1 })],
  ["two winners of one step", "I7", answered(15, ok({ orders: [confirmed] }))],
  [
    "a step with an etag that was stale",
    "I7",
    told(13, (each) => [{ ...each, request: confirm("confirm", '"2"') }]),
  ],
  ["a read of an older version than one that was shown before", "I8", answered(31, ok({ orders: [order] }))],
  [
    "a history that ends before what was shown before",
    "I8",
    answered(33, ok({ events: eventsOf("order").slice(0, 1) })),
  ],
  ["an answer to a change without the change", "I8", answered(13, ok({ orders: [basic] }))],
  [
    "a read of what is asked for later",
    "I8",
    told(9, (each) => [
      each,
      entry(11, 12, { method: "GetOrder", id: "order" }, ok({ orders: [confirmed] })),
    ]),
  ],
  [
    "two contents of one version",
    "I8",
    answered(
      11,
      ok({
        products: [
          { ...lamp, onHand: 8, version: 2 },
          { ...lamp, onHand: 7, version: 2 },
        ],
      }),
    ),
  ],
  ["NOT_FOUND for an order that was shown before", "I8", answered(31, failed("NotFound"))],
  [
    "NOT_FOUND for a user who was shown before",
    "I8",
    more(35, 36, { method: "GetUser", id: "ada" }, failed("NotFound")),
  ],
  ["an order without its user", "I9", orders({ userId: "nobody" })],
  ["a walk that misses an order", "I10", answered(23, ok())],
  ["a walk that meets an order twice", "I10", answered(23, ok({ orders: [{ ...confirmed, lines }, other] }))],
  [
    "a walk in the wrong order",
    "I10",
    told(21, (each) => [{ ...each, outcome: ok({ orders: [{ ...confirmed, lines }, other], more: true }) }]),
  ],
  [
    "two users with one email",
    "I13",
    stored(({ users }) => ({
      users: [...users, { ...ada, id: "eve", name: "Eve", email: "ADA@example.com" }],
    })),
  ],
  ["ALREADY_EXISTS without a rival", "I13", without(1)],
  ["INTERNAL", "I13", answered(31, { kind: "unknown", code: "Internal", reason: "INTERNAL" })],
])("The checker finds %s: %s", (_title, invariant, tell) => {
  const { history, state } = tell();

  expect(check(history, state).map((violation) => violation.invariant)).toContain(invariant);
});

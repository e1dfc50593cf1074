import { expect, test } from "vitest";
import { check } from "./faults/checker.ts";
import type { Entry, Outcome } from "./faults/history.ts";
import {
  createUser,
  entry,
  failed,
  goodStory,
  ok,
  order,
  pathOf,
  unknown,
  type Story,
} from "./faults/story.ts";

const eve = { id: "eve", email: "eve@example.com", name: "doomed 1", version: 1 };
const lines = [{ productId: "lamp", quantity: 1, unitPrice: 707 }];
const placed = { ...order, id: "eves", userId: "eve", lines, total: 707, createTime: 3 };
const place = { requestId: "place", method: "CreateOrder", userId: "eve", lines, reserves: true } as const;
const remove = (force: boolean) => ({ requestId: "delete", method: "DeleteUser", id: "eve", force }) as const;

/** Eve is created, orders, and is deleted. */
const goodEntries = (force: boolean, outcome: Outcome = ok()): Entry[] => [
  entry(41, createUser("eve", eve.email, eve.name), ok({ users: [eve] })),
  entry(43, place, ok({ orders: [placed] })),
  entry(45, remove(force), outcome),
];

function story(
  entries: readonly Entry[],
  change: (state: Story["state"]) => Partial<Story["state"]> = () => ({}),
): Story {
  const { history, state } = goodStory();
  return { history: [...history, ...entries], state: { ...state, ...change(state) } };
}

const withEve = ({ users }: Story["state"]) => ({ users: [...users, eve] });
/** The order is there, and has taken its lamp. */
const withOrder = ({ orders, events, products }: Story["state"]) => ({
  orders: [...orders, { ...placed, lines }],
  events: [...events, ...pathOf("eves", "pending")],
  products: products.map((p) => ({ ...p, onHand: p.onHand - 1, version: p.version + 1 })),
});

test.each<[string, Story]>([
  ["who was deleted with an order, by force", story(goodEntries(true))],
  [
    "who was not deleted, with an order",
    story(goodEntries(false, failed("FailedPrecondition")), (s) => ({ ...withEve(s), ...withOrder(s) })),
  ],
  ["who may have been deleted", story(goodEntries(true, unknown))],
  [
    "whose order was refused when the user was gone",
    story([...goodEntries(true), entry(47, { ...place, requestId: "late" }, failed("NotFound"))]),
  ],
])("The checker finds nothing in the history of one %s", (_, { history, state }) => {
  expect(check(history, state)).toEqual([]);
});

test.each<[string, string, Story]>([
  ["was deleted without force, with an order", "I15: deleted without force", story(goodEntries(false))],
  [
    "was deleted, and is there",
    "I15: was deleted, and is there",
    story(goodEntries(true), (s) => ({ ...withEve(s), ...withOrder(s) })),
  ],
  [
    "was refused to be deleted, and is gone",
    "I15: refused to go",
    story(goodEntries(false, failed("Aborted"))),
  ],
  ["left an order behind", "I15: the user is gone and left an order", story(goodEntries(true), withOrder)],
  [
    "left events behind",
    "I15: events are left",
    story(goodEntries(true), ({ events }) => ({ events: [...events, ...pathOf("eves", "pending")] })),
  ],
  [
    "got an order afterwards",
    "I15: an order was placed for who had been deleted",
    story([...goodEntries(true), entry(47, place, ok({ orders: [placed] }))]),
  ],
  [
    "was not deleted and has lost an order",
    "I4: order eves was acknowledged",
    story(goodEntries(false, failed("FailedPrecondition")), withEve),
  ],
  [
    "was deleted without a return of the stock",
    "I2: 6 came in, but 2",
    story(goodEntries(true), ({ products }) => ({
      products: products.map((p) => ({ ...p, onHand: p.onHand - 1 })),
    })),
  ],
])("The checker finds a user who %s", (_, start, { history, state }) => {
  const found = check(history, state).map(({ invariant, sentence }) => `${invariant}: ${sentence}`);

  expect(found.filter((each) => each.startsWith(start))).not.toEqual([]);
});

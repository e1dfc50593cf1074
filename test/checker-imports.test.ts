import { expect, test } from "vitest";
import { check } from "./faults/checker.ts";
import { failed, ok, unknown, type Story } from "./faults/story.ts";
import {
  chunk,
  first,
  goodImports,
  grown,
  grownConfirmed,
  refused,
  retold,
  storedOrders,
  storedPath,
  storedThird,
  third,
  untried,
} from "./faults/story-imports.ts";

const grownBy = (...lines: NonNullable<(typeof grown)["lines"]>): Story =>
  storedThird({ lines: [...grown.lines!, ...lines] });
const [, two, one] = grown.lines!;

test("The checker finds nothing in imports in which nothing is wrong", () => {
  const { history, state } = goodImports();

  expect(check(history, state)).toEqual([]);
});

test("The checker takes rows behind a cut for done and for not done", () => {
  const done = goodImports();
  const notResumed = done.history.filter(({ invoked }) => ![9, 19].includes(invoked));
  const { state } = storedOrders(first);
  const undone = {
    history: notResumed.filter(({ invoked }) => invoked < 13),
    state: {
      ...state,
      products: state.products.map((product) => ({ ...product, onHand: 10 })),
      events: state.events.slice(0, 1),
    },
  };

  expect([check(notResumed, done.state), check(undone.history, undone.state)]).toEqual([[], []]);
});

test.each<[string, string, Story]>([
  ["a total without the added items", "I1: total 909 and 3 items", storedThird({ total: 909 })],
  [
    "an answer with the total of before",
    "I1: shown as",
    retold(27, { outcome: ok({ orders: [{ ...grownConfirmed, total: 909 }] }) }),
  ],
  [
    "added items that took nothing from the stock",
    "I2: 10 came in, but 7",
    (() => {
      const { history, state } = goodImports();
      return { history, state: { ...state, products: [{ ...state.products[0]!, onHand: 7 }] } };
    })(),
  ],
  [
    "an imported order that is stored twice",
    "I3: order asked for by one request: 2 stored",
    storedOrders(first, { ...first, id: "twin" }, grownConfirmed),
  ],
  ["an item that is added twice", "I3: item asked for by one request: 2 stored", grownBy(one!)],
  ["an item that nobody asked for", "I3: item that nobody", grownBy({ ...one!, unitPrice: 999 })],
  [
    "an item in front of the order's own",
    "I3: order that nobody asked for",
    storedThird({ lines: grown.lines!.toReversed() }),
  ],
  [
    "a row behind the one that ended the import",
    "I3: order that nobody asked for",
    storedOrders(first, untried, grownConfirmed),
  ],
  [
    "a row that is refused after it was acknowledged",
    "I3: acknowledged, and refused later",
    retold(19, { chunks: [chunk([0, 0], 0, 0, 20, 0), chunk([1, 2], 0, 1, 21, 1)] }),
  ],
  [
    "an acknowledged row that is not stored",
    "I4: order asked for by one request: 1 acknowledged, 0 stored",
    storedOrders(grownConfirmed),
  ],
  [
    "an acknowledged item that is not stored",
    "I4: item asked for by one request: 1 acknowledged, 0 stored",
    storedThird({ lines: grown.lines!.slice(0, 2) }),
  ],
  [
    "a refused row that is stored",
    "I5: order asked for by one request: 1 stored",
    storedOrders(first, refused, grownConfirmed),
  ],
  [
    "a refused item that is stored",
    "I5: item asked for by one request: 1 stored",
    retold(15, { chunks: [chunk([0, 2], 1, 0, 16, 2)] }),
  ],
  ["items without an event", "I6: 2 items were added by 1 imports", storedPath("pending", "confirmed")],
  [
    "more events than items",
    "I6: 2 items were added by 1 imports in turn, in 3 events",
    storedPath("pending", "pending", "pending", "pending", "confirmed"),
  ],
  [
    "items that are added to a final order",
    "I6: version 3, cancelled",
    storedPath("pending", "cancelled", "cancelled"),
  ],
  [
    "items in a version of before",
    "I6: from version 1 to 1 it grew by 2 items in 0 events",
    retold(25, { outcome: ok({ orders: [{ ...grown, version: 1 }] }) }),
  ],
  [
    "a version that is without its items",
    "I6: from version 1 to 2 it grew by 0 items in 1 events",
    retold(25, { outcome: ok({ orders: [{ ...third, version: 2 }] }) }),
  ],
  [
    "a read without what was acknowledged",
    "I8: an added item was acknowledged and not seen",
    retold(25, { outcome: ok({ orders: [third] }) }),
  ],
  [
    "a read of an item before it was asked for",
    "I8: an item was seen before",
    retold(13, { outcome: ok({ orders: [grown] }) }),
  ],
  [
    "a walk that misses an imported order",
    "I10: a walk through the pages met the order not at all",
    retold(31, { outcome: ok({ orders: [grownConfirmed] }) }),
  ],
  [
    "NOT_FOUND for a row whose order was shown before",
    "I8: AddItem: NOT_FOUND",
    retold(15, { chunks: [chunk([0, 2], 2, 0, 16, 0)] }),
  ],
  [
    "a gap before the first chunk",
    "I11: rows 1 to 1 were answered where 0 was next",
    retold(5, { chunks: [chunk([1, 1], 0, 0, 6, 1)] }),
  ],
  [
    "a gap between chunks",
    "I11: rows 2 to 2 were answered where 1 was next",
    retold(19, { chunks: [chunk([0, 0], 0, 1, 20), chunk([2, 2], 0, 1, 21)] }),
  ],
  [
    "progress that goes back",
    "I11: rows 0 to 1 were answered where 1 was next",
    retold(19, { chunks: [chunk([0, 0], 0, 1, 20), chunk([0, 1], 0, 1, 21, 1)] }),
  ],
  [
    "progress beyond what was sent",
    "I11: rows 2 to 3 were answered where 2 was next, of 3",
    retold(9, { chunks: [chunk([2, 3], 0, 2, 10)] }),
  ],
  ["an end before the last row", "I11: ended well after row 1, of 3", retold(9, { chunks: [] })],
  [
    "rows that are counted twice",
    "I11: rows 0 to 1 were counted as 2 that are there and refused 1",
    retold(5, { chunks: [chunk([0, 1], 1, 1, 6, 1)] }),
  ],
  [
    "a refusal of another chunk's row",
    "I11: rows 0 to 1 were counted as 1 that are there and refused 2",
    retold(5, { chunks: [chunk([0, 1], 1, 0, 6, 2)] }),
  ],
  [
    "a chunk of which a row is not stored",
    "I11: of rows 0 to 1 1 were acknowledged and 0 are stored",
    storedOrders(grownConfirmed),
  ],
  [
    "a chunk of which a row is stored twice",
    "I11: of rows 0 to 2 2 were acknowledged and 3 are stored",
    grownBy(two!),
  ],
  [
    "rows that are inserted again",
    "I11: 3 rows were said to be inserted, 2 are stored",
    retold(19, { chunks: [chunk([0, 0], 1, 0, 20), chunk([1, 2], 1, 0, 21, 1)] }),
  ],
  [
    "a summary that is not the sum",
    "I11: chunks of 0 inserted, 2 existing, 1 refused; summed up as 2 inserted",
    retold(19, { outcome: ok({ summary: { inserted: 2, existing: 0, refused: 1 } }) }),
  ],
  [
    "an import that goes on where it was to stop",
    "I11: went on behind a refused row",
    retold(33, { chunks: [chunk([0, 0], 0, 0, 34, 0), chunk([1, 1], 1, 0, 34)] }),
  ],
  [
    "an import that ends well where it was to stop",
    "I11: went on behind a refused row",
    retold(33, { outcome: ok() }),
  ],
  [
    "an import that is ended without a reason",
    "I11: was ended by Aborted, and no row told it to",
    retold(9, { outcome: failed("Aborted") }),
  ],
  [
    "INTERNAL in the middle of an import",
    "I13: IngestOrders was answered INTERNAL",
    retold(5, { outcome: { ...unknown, code: "Internal" } as typeof unknown }),
  ],
])("The checker finds %s", (_title, expected, { history, state }) => {
  const found = check(history, state).map(({ invariant, sentence }) => `${invariant}: ${sentence}`);

  expect(found).toContainEqual(expect.stringContaining(expected));
});

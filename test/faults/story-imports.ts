import type { FinalState } from "./final-state.ts";
import type { Chunk, Draft, Entry, Import, ItemDraft, Line, Outcome, Request, SeenOrder } from "./history.ts";
import { ada, confirm, createUser, entry, failed, lamp, ok, pathOf, unknown, type Story } from "./story.ts";

const lamps = (quantity: number, unitPrice: number): Line => ({ productId: "lamp", quantity, unitPrice });

const drafts: readonly Draft[] = [
  { userId: "ada", lines: [lamps(1, 101)], reserves: false },
  { userId: "nobody", lines: [lamps(1, 202)], reserves: false },
  { userId: "ada", lines: [lamps(3, 303)], reserves: true },
];
const items: readonly ItemDraft[] = [
  { orderId: "third", line: lamps(2, 404) },
  { orderId: "unknown", line: lamps(1, 505) },
  { orderId: "third", line: lamps(1, 606) },
];
/** The first of them is refused, so that the second one is not tried. */
const stopping: readonly Draft[] = [
  { userId: "nobody", lines: [lamps(1, 707)], reserves: false },
  { userId: "ada", lines: [lamps(1, 808)], reserves: false },
];

/** What the rows made: an order of the first, none of the second, and one of the third that grew. */
export const first: SeenOrder = {
  ...drafts[0]!,
  id: "first",
  status: "pending",
  version: 1,
  total: 101,
  itemCount: 1,
  createTime: 1,
};
export const refused = { ...first, ...drafts[1]!, id: "second", total: 202 };
export const untried = { ...first, ...stopping[1]!, id: "untried", total: 808 };
export const third: SeenOrder = {
  ...drafts[2]!,
  id: "third",
  status: "pending",
  version: 1,
  total: 909,
  itemCount: 1,
  createTime: 2,
};
export const grown: SeenOrder = {
  ...third,
  version: 2,
  total: 2_323,
  itemCount: 3,
  lines: [lamps(3, 303), lamps(2, 404), lamps(1, 606)],
};
export const grownConfirmed: SeenOrder = { ...grown, status: "confirmed", version: 3 };

/** Rows that were answered; `refusedIndex` is one that was refused. */
export function chunk(
  [firstIndex, lastIndex]: readonly [number, number],
  inserted: number,
  existing: number,
  returned: number,
  refusedIndex?: number,
): Chunk {
  const refusals = refusedIndex === undefined ? [] : [refusedIndex];
  const rows = refusals.map((index) => ({ index, code: "NotFound", reason: "" }));
  return { firstIndex, lastIndex, inserted, existing, refused: rows, returned };
}

function importing(
  method: "ImportOrders" | "IngestOrders",
  rows: readonly Draft[],
  more: Partial<Pick<Import, "requestId" | "firstIndex" | "stopOnError">> = {},
): Request {
  return { requestId: "import", firstIndex: 0, stopOnError: false, ...more, method, rows };
}

function attempt(
  tick: number,
  request: Request,
  outcome: Outcome,
  returned: number,
  ...chunks: Chunk[]
): Entry {
  return { ...entry(tick, request, outcome), returned, chunks };
}

/**
 * Nothing is wrong here: an import was cut behind its first chunk and resumed behind it, items were added,
 * the import was repeated and everything was read.
 */
export function goodImports(): Story {
  const rest = importing("ImportOrders", drafts.slice(2), { firstIndex: 2 });
  const adding: Request = {
    requestId: "items",
    firstIndex: 0,
    stopOnError: false,
    method: "ImportOrderItems",
    rows: items,
  };
  const stop = importing("ImportOrders", stopping, { requestId: "stop", stopOnError: true });
  const summary = { inserted: 0, existing: 2, refused: 1 };
  const page: Request = { method: "ListOrders", walk: 1, page: 0, userId: "" };
  return {
    history: [
      entry(1, createUser("user", "ada@example.com", "Ada"), ok({ users: [ada] })),
      entry(
        3,
        { requestId: "lamp", method: "CreateProduct", name: "Lamp", onHand: 10 },
        ok({ products: [lamp] }),
      ),
      attempt(5, importing("IngestOrders", drafts), unknown, 7, chunk([0, 1], 1, 0, 6, 1)),
      attempt(9, rest, ok(), 11, chunk([2, 2], 0, 1, 10)),
      entry(13, { method: "GetOrder", id: "third" }, ok({ orders: [third] })),
      attempt(15, adding, ok(), 17, chunk([0, 2], 2, 0, 16, 1)),
      attempt(
        19,
        importing("IngestOrders", drafts),
        ok({ summary }),
        23,
        chunk([0, 0], 0, 1, 20),
        chunk([1, 2], 0, 1, 21, 1),
      ),
      entry(25, { method: "GetOrder", id: "third" }, ok({ orders: [grown] })),
      entry(27, confirm("confirm", '"2"', "third"), ok({ orders: [grownConfirmed] })),
      entry(
        29,
        { method: "ListOrderEvents", id: "third" },
        ok({ events: pathOf("third", "pending", "pending", "confirmed") }),
      ),
      entry(31, page, ok({ orders: [grownConfirmed, first] })),
      attempt(33, stop, failed("Aborted"), 35, chunk([0, 0], 0, 0, 34, 0)),
    ],
    state: {
      users: [ada],
      userChanges: [],
      products: [{ ...lamp, onHand: 4, version: 3, initial: 10 }],
      movements: [],
      orders: [first, grownConfirmed].map(toStored),
      events: [...pathOf("first", "pending"), ...pathOf("third", "pending", "pending", "confirmed")],
    },
  };
}

function toStored(order: SeenOrder): FinalState["orders"][number] {
  return { ...order, lines: order.lines! };
}

/** The story with another state of the order that grew. */
export const storedThird = (change: Partial<SeenOrder>): Story =>
  storedOrders(first, { ...grownConfirmed, ...change });

/** The story with other orders stored. */
export function storedOrders(...orders: readonly SeenOrder[]): Story {
  const { history, state } = goodImports();
  return { history, state: { ...state, orders: orders.map(toStored) } };
}

/** The story with other events of the order that grew, which is where they end. */
export function storedPath(...statuses: readonly SeenOrder["status"][]): Story {
  const { history, state } = storedThird({ version: statuses.length, status: statuses.at(-1)! });
  return {
    history,
    state: { ...state, events: [...pathOf("first", "pending"), ...pathOf("third", ...statuses)] },
  };
}

/** The story with another attempt in the place of the one that began at a tick. */
export function retold(tick: number, change: Partial<Entry>): Story {
  const { history, state } = goodImports();
  return { history: history.map((each) => (each.invoked === tick ? { ...each, ...change } : each)), state };
}

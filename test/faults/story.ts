import type { FinalState } from "./final-state.ts";
import type { Entry, Outcome, Request, Seen, SeenOrder, SeenUser } from "./history.ts";

/** A history and the state that it ended in. */
export type Story = { history: Entry[]; state: FinalState };

const nothing = { users: [], products: [], orders: [], events: [], more: false };
export const ok = (seen: Partial<Seen> = {}): Outcome => ({ kind: "ok", ...nothing, ...seen });
export const failed = (code: string): Outcome => ({ kind: "failed", code, reason: "" });
export const unknown: Outcome = { kind: "unknown", code: "Unavailable", reason: "" };

export const ada: SeenUser = { id: "ada", email: "ada@example.com", name: "Ada", version: 1 };
const renamed = { ...ada, name: "Ada/2", version: 2 };
export const lamp = { id: "lamp", name: "Lamp", onHand: 10, version: 1 };
export const lines = [{ productId: "lamp", quantity: 3, unitPrice: 101 }];
export const order: SeenOrder = {
  id: "order",
  userId: "ada",
  status: "pending",
  version: 1,
  total: 303,
  itemCount: 1,
  reserves: true,
  createTime: 1,
  lines,
};
/** The order as it is shown in the BASIC view. */
export const { lines: _lines, ...basic } = order;
export const confirmed: SeenOrder = { ...basic, status: "confirmed", version: 2 };
export const otherLines = [{ productId: "lamp", quantity: 2, unitPrice: 202 }];
export const other: SeenOrder = { ...order, id: "other", lines: otherLines, total: 404, createTime: 2 };

const createOrder: Request = {
  requestId: "create",
  method: "CreateOrder",
  userId: "ada",
  lines,
  reserves: true,
};
export const createOther: Request = { ...createOrder, requestId: "create other", lines: otherLines };
export const confirm = (requestId: string, etag = ""): Request => ({
  requestId,
  method: "UpdateOrderStatus",
  changes: [{ id: "order", status: "confirmed", etag }],
});
const walk = (number: number, page: number): Request => ({
  method: "ListOrders",
  walk: number,
  page,
  userId: "",
});

/** An attempt, from one tick to another. */
export function entry(invoked: number, returned: number, request: Request, outcome: Outcome): Entry {
  return { client: 0, invoked, returned, request, outcome };
}

/** A history without a fault in it: a change whose first answer is lost, a refused one, replays, reads and a walk. */
export function goodStory(): Story {
  const taken = { ...lamp, onHand: 7, version: 2 };
  const adjust: Request = { requestId: "adjust", method: "AdjustStock", productId: "lamp", delta: -4 };
  return {
    history: [
      entry(
        1,
        2,
        { requestId: "user", method: "CreateUser", email: "ada@example.com", name: "Ada" },
        ok({ users: [ada] }),
      ),
      entry(
        3,
        4,
        { requestId: "rival", method: "CreateUser", email: "ADA@example.com", name: "Eve" },
        failed("AlreadyExists"),
      ),
      entry(
        5,
        6,
        { requestId: "lamp", method: "CreateProduct", name: "Lamp", onHand: 10 },
        ok({ products: [lamp] }),
      ),
      entry(7, 8, createOrder, unknown),
      entry(9, 10, createOrder, ok({ orders: [order] })),
      entry(11, 12, { method: "GetProduct", id: "lamp" }, ok({ products: [taken] })),
      entry(13, 14, confirm("confirm", '"1"'), ok({ orders: [confirmed] })),
      entry(15, 16, confirm("confirm again"), failed("FailedPrecondition")),
      entry(17, 18, createOrder, ok({ orders: [{ ...confirmed, lines }] })),
      entry(19, 20, createOther, ok({ orders: [other] })),
      entry(21, 22, walk(1, 0), ok({ orders: [other], more: true })),
      entry(23, 24, walk(1, 1), ok({ orders: [{ ...confirmed, lines }] })),
      entry(25, 26, adjust, ok({ products: [{ ...lamp, onHand: 1, version: 4 }] })),
      entry(
        27,
        28,
        { requestId: "rename", method: "UpdateUser", id: "ada", name: "Ada/2", etag: "" },
        ok({ users: [renamed] }),
      ),
      entry(
        29,
        30,
        { requestId: "stale", method: "UpdateUser", id: "ada", name: "Ada/3", etag: '"1"' },
        failed("Aborted"),
      ),
      entry(31, 32, { method: "GetOrder", id: "order" }, ok({ orders: [{ ...confirmed, lines }] })),
      entry(33, 34, { method: "ListOrderEvents", id: "order" }, ok({ events: eventsOf("order") })),
    ],
    state: {
      users: [renamed],
      userChanges: [{ userId: "ada" }],
      products: [{ ...lamp, onHand: 1, version: 4, initial: 10 }],
      movements: [{ productId: "lamp", delta: -4 }],
      orders: [
        { ...confirmed, lines },
        { ...other, lines: otherLines },
      ],
      events: [...eventsOf("order"), { orderId: "other", version: 1, status: "pending" }],
    },
  };
}

export function eventsOf(orderId: string) {
  return [
    { orderId, version: 1, status: "pending" as const },
    { orderId, version: 2, status: "confirmed" as const },
  ];
}

/** The story with some of what is stored replaced. */
export function stored(change: (state: FinalState) => Partial<FinalState>): () => Story {
  return () => {
    const { history, state } = goodStory();
    return { history, state: { ...state, ...change(state) } };
  };
}

/** The story with the attempt that began at a tick replaced by others. */
export function told(tick: number, change: (entry: Entry) => Entry[]): () => Story {
  return () => {
    const { history, state } = goodStory();
    return { history: history.flatMap((each) => (each.invoked === tick ? change(each) : [each])), state };
  };
}

/** The story with another answer to the attempt that began at a tick. */
export function answered(tick: number, outcome: Outcome): () => Story {
  return told(tick, (each) => [{ ...each, outcome }]);
}

/** The story with one more attempt. */
export function more(invoked: number, returned: number, request: Request, outcome: Outcome): () => Story {
  return () => {
    const { history, state } = goodStory();
    return { history: [...history, entry(invoked, returned, request, outcome)], state };
  };
}

/** The story without the attempts that began at some ticks. */
export function without(...ticks: number[]): () => Story {
  return () => {
    const { history, state } = goodStory();
    return { history: history.filter(({ invoked }) => !ticks.includes(invoked)), state };
  };
}

import type { FinalState } from "./final-state.ts";
import type { Entry, Outcome, Request, Seen, SeenEvent, SeenOrder, SeenUser, Status } from "./history.ts";

/** A history and the state that it ended in. */
export type Story = { readonly history: readonly Entry[]; readonly state: FinalState };

const nothing = { users: [], products: [], orders: [], events: [], more: false };

export const ok = (seen: Partial<Seen> = {}): Outcome => ({ kind: "ok", ...nothing, ...seen });
export const failed = (code: string): Outcome => ({ kind: "failed", code, reason: "" });
export const unknown: Outcome = { kind: "unknown", code: "Unavailable", reason: "" };

export const ada: SeenUser = { id: "ada", email: "ada@example.com", name: "Ada", version: 1 };
const renamed = { ...ada, name: "Ada/2", version: 2 };
export const lamp = { id: "lamp", name: "Lamp", onHand: 10, version: 1 };
const taken = { ...lamp, onHand: 7, version: 2 };
const adjusted = { ...lamp, onHand: 3, version: 3 };

const lines = [{ productId: "lamp", quantity: 3, unitPrice: 101 }];
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
export const confirmed: SeenOrder = { ...order, status: "confirmed", version: 2 };
/** It takes nothing from the stock. */
export const other: SeenOrder = {
  ...order,
  id: "other",
  lines: [{ productId: "lamp", quantity: 2, unitPrice: 202 }],
  total: 404,
  reserves: false,
  createTime: 2,
};

const toRequest = (requestId: string, { userId, lines: asked, reserves }: SeenOrder): Request => ({
  requestId,
  method: "CreateOrder",
  userId,
  lines: asked!,
  reserves,
});
const createOrder = toRequest("create", order);
export const createOther = toRequest("create other", other);
export const confirm = (requestId: string, etag: string, ...ids: string[]): Request => ({
  requestId,
  method: ids.length > 1 ? "BatchUpdateOrderStatuses" : "UpdateOrderStatus",
  changes: ids.map((id) => ({ id, status: "confirmed", etag })),
});
export const createUser = (requestId: string, email: string, name: string): Request => ({
  requestId,
  method: "CreateUser",
  email,
  name,
});
const rename = (requestId: string, name: string, etag: string): Request => ({
  requestId,
  method: "UpdateUser",
  id: "ada",
  name,
  etag,
});
const page = (number: number): Request => ({ method: "ListOrders", walk: 1, page: number, userId: "ada" });

/** The events of an order that took these steps. */
export function pathOf(orderId: string, ...statuses: Status[]): SeenEvent[] {
  return statuses.map((status, n) => ({ orderId, version: n + 1, status }));
}

/** An attempt, from one tick to the next. */
export function entry(tick: number, request: Request, outcome: Outcome): Entry {
  return { client: 0, invoked: tick, returned: tick + 1, request, outcome, chunks: [] };
}

/** Nothing is wrong here: an answer was lost, calls were refused and repeated, everything was read. */
export function goodStory(): Story {
  const adjust: Request = { requestId: "adjust", method: "AdjustStock", productId: "lamp", delta: -4 };
  return {
    history: [
      entry(1, createUser("user", "ada@example.com", "Ada"), ok({ users: [ada] })),
      entry(3, createUser("rival", "ADA@example.com", "Eve"), failed("AlreadyExists")),
      entry(
        5,
        { requestId: "lamp", method: "CreateProduct", name: "Lamp", onHand: 10 },
        ok({ products: [lamp] }),
      ),
      entry(7, createOrder, unknown),
      entry(9, createOrder, ok({ orders: [order] })),
      entry(11, { method: "GetProduct", id: "lamp" }, ok({ products: [taken] })),
      entry(13, confirm("confirm", '"1"', "order"), ok({ orders: [confirmed] })),
      entry(15, confirm("confirm again", "", "order"), failed("FailedPrecondition")),
      entry(17, createOrder, ok({ orders: [confirmed] })),
      entry(19, createOther, ok({ orders: [other] })),
      entry(21, page(0), ok({ orders: [other], more: true })),
      entry(23, page(1), ok({ orders: [confirmed] })),
      entry(25, adjust, ok({ products: [adjusted] })),
      entry(27, rename("rename", "Ada/2", ""), ok({ users: [renamed] })),
      entry(29, rename("rename too late", "Ada/3", '"1"'), failed("Aborted")),
      entry(31, { method: "GetOrder", id: "order" }, ok({ orders: [confirmed] })),
      entry(
        33,
        { method: "ListOrderEvents", id: "order" },
        ok({ events: pathOf("order", "pending", "confirmed") }),
      ),
    ],
    state: {
      users: [renamed],
      userChanges: [{ userId: "ada" }],
      products: [{ ...adjusted, initial: 10 }],
      movements: [{ productId: "lamp", delta: -4 }],
      orders: [
        { ...confirmed, lines },
        { ...other, lines: other.lines! },
      ],
      events: [...pathOf("order", "pending", "confirmed"), ...pathOf("other", "pending")],
    },
  };
}

/** The story with some of what is stored replaced. */
export function stored(change: (state: FinalState) => Partial<FinalState>): Story {
  const { history, state } = goodStory();
  return { history, state: { ...state, ...change(state) } };
}

/** The story with the attempt that began at a tick replaced by others. */
export function told(tick: number, change: (entry: Entry) => Entry[]): Story {
  const { history, state } = goodStory();
  return { history: history.flatMap((each) => (each.invoked === tick ? change(each) : [each])), state };
}

/** The story with another answer to the attempt that began at a tick. */
export function answered(tick: number, outcome: Outcome): Story {
  return told(tick, (each) => [{ ...each, outcome }]);
}

/** The story with one more attempt at its end. */
export function more(request: Request, outcome: Outcome): Story {
  const { history, state } = goodStory();
  return { history: [...history, entry(35, request, outcome)], state };
}

/** The story without the attempts that began at some ticks. */
export function without(...ticks: number[]): Story {
  const { history, state } = goodStory();
  return { history: history.filter(({ invoked }) => !ticks.includes(invoked)), state };
}

/** The order is stored otherwise. */
export const storedOrder = (change: Partial<SeenOrder>): Story =>
  stored(({ orders: [first, ...others] }) => ({ orders: [{ ...first!, ...change }, ...others] }));

/** The order has other events, and is where they end. */
export const moved = (...events: SeenEvent[]): Story =>
  stored(({ orders: [first, ...others] }) => {
    const { version, status } = events.at(-1)!;
    return {
      orders: [{ ...first!, version, status }, ...others],
      events: [...events, ...pathOf("other", "pending")],
    };
  });

/** There is another number of lamps in stock. */
export const restocked = (onHand: number): Story =>
  stored(({ products: [product] }) => ({ products: [{ ...product!, onHand }] }));

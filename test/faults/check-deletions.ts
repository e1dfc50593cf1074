import { lost } from "./check-effects.ts";
import type { Violation } from "./checker.ts";
import type { FinalState } from "./final-state.ts";
import { callsOf, toCalls, type Call, type Entry, type Outcome } from "./history.ts";

/** The users whom somebody wants to delete, their names, and the orders that an answer has shown of them. */
type Doomed = {
  readonly users: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
  readonly orders: ReadonlySet<string>;
};

function findDoomed(history: readonly Entry[], state: FinalState): Doomed {
  const users = new Set(
    history.flatMap(({ request }) => (request.method === "DeleteUser" ? [request.id] : [])),
  );
  const shown = history.flatMap(({ outcome }) => (outcome.kind === "ok" ? [outcome] : []));
  const names = shown.flatMap((seen) => seen.users).filter(({ id }) => users.has(id));
  const orders = [...shown.flatMap((seen) => seen.orders), ...state.orders];
  return {
    users,
    names: new Set([...names, ...state.users.filter(({ id }) => users.has(id))].map(({ name }) => name)),
    orders: new Set(orders.filter(({ userId }) => users.has(userId)).map(({ id }) => id)),
  };
}

/**
 * A history and its state without those who are deleted, and their orders: of them it does not hold that what
 * was acknowledged is there.
 */
export function withoutDoomed(
  history: readonly Entry[],
  state: FinalState,
): { readonly history: readonly Entry[]; readonly state: FinalState } {
  const { users, names, orders } = findDoomed(history, state);
  const isAbout = ({ request }: Entry): boolean => {
    if (request.method === "DeleteUser") return true;
    if (request.method === "CreateUser") return names.has(request.name);
    if (request.method === "CreateOrder") return users.has(request.userId);
    return "changes" in request && request.changes.some(({ id }) => orders.has(id));
  };
  const show = (outcome: Outcome): Outcome =>
    outcome.kind === "ok"
      ? { ...outcome, orders: outcome.orders.filter(({ userId }) => !users.has(userId)) }
      : outcome;
  const stored = new Set(state.orders.map(({ id }) => id));
  return {
    history: history
      .filter((entry) => !isAbout(entry))
      .map((entry) => ({ ...entry, outcome: show(entry.outcome) })),
    state: {
      ...state,
      users: state.users.filter(({ id }) => !users.has(id)),
      userChanges: state.userChanges.filter(({ userId }) => !users.has(userId)),
      orders: state.orders.filter(({ userId }) => !users.has(userId)),
      events: state.events.filter(({ orderId }) => stored.has(orderId) && !orders.has(orderId)),
    },
  };
}

/**
 * I15: who was deleted is gone with all orders and their events; without force nobody is deleted who has
 * orders; and whose deletion was refused is there, with what was acknowledged.
 */
export function checkDeletions(history: readonly Entry[], state: FinalState): Violation[] {
  const calls = toCalls(history);
  const placed = Map.groupBy(callsOf(calls, "CreateOrder"), ({ request }) => request.userId);
  const stored = new Set(state.orders.map(({ id }) => id));
  const left = state.events.filter(({ orderId }) => !stored.has(orderId)).map(({ orderId }) => orderId);
  return [
    ...callsOf(calls, "DeleteUser").flatMap((call) =>
      checkDeletion(call, placed.get(call.request.id) ?? [], state),
    ),
    ...[...new Set(left)].map((id) => broken([id], "events are left of an order that is gone")),
  ];
}

function broken(ids: readonly string[], sentence: string): Violation {
  return { invariant: "I15", ids, sentence };
}

function checkDeletion(
  { request, verdict, acknowledged }: ReturnType<typeof callsOf<"DeleteUser">>[number],
  placed: readonly Call[],
  state: FinalState,
): Violation[] {
  const { id, force, requestId } = request;
  const isThere = state.users.some((user) => user.id === id);
  const orders = state.orders.filter(({ userId }) => userId === id).map((order) => order.id);
  const made = placed.filter((call) => call.verdict === "ok");
  if (verdict === "failed" && !isThere) return [broken([id, requestId], "refused to go, and is gone")];
  if (isThere) {
    const shown = made.flatMap(({ entries }) => entries.flatMap(showsOrders));
    return [
      ...(verdict === "ok" ? [broken([id, requestId], "was deleted, and is there")] : []),
      ...[...new Set(shown)]
        .filter((order) => !orders.includes(order))
        .map((order) => lost(`order ${order} was acknowledged and is not stored`, order, made)),
    ];
  }
  const late = made.filter(({ entries }) =>
    entries.some(({ outcome, invoked }) => outcome.kind === "ok" && invoked > acknowledged),
  );
  const why = (sentence: string) => (call: Call) => broken([id, call.request.requestId], sentence);
  return [
    ...orders.map((order) => broken([id, order], "the user is gone and left an order behind")),
    ...(force ? [] : made.map(why("deleted without force, with an order"))),
    ...late.map(why("an order was placed for who had been deleted")),
  ];
}

function showsOrders({ outcome }: Entry): string[] {
  return outcome.kind === "ok" ? outcome.orders.map(({ id }) => id) : [];
}

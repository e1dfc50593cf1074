import type { Evidence, Violation } from "./checker.ts";
import { callsOf, type Entry, type Seen } from "./history.ts";
import { toOrderMarker } from "./import-rows.ts";

/** I8, I9 and I10: what answers showed, against each other and against the order of events in time. */
export function checkReads(evidence: Evidence): Violation[] {
  const shown = collectShown(evidence);
  return [
    ...checkVersions(evidence),
    ...checkOwnWrites(evidence),
    ...evidence.history.flatMap((entry) => checkFound(entry, shown)),
    ...checkUsersOfOrders(evidence),
    ...checkWalks(evidence, shown),
  ];
}

/** A version of a resource as somebody saw it, or as it was asked for, between two ticks. */
type Observation = {
  readonly id: string;
  readonly version: number;
  readonly content: string;
  readonly invoked: number;
  readonly returned: number;
};

function observe(seen: Omit<Seen, "more">, invoked: number, returned: number): Observation[] {
  const during = { invoked, returned };
  return [
    ...seen.users.map(({ id, version, name }) => ({ id, version, content: name, ...during })),
    ...seen.products.map(({ id, version, onHand }) => ({
      id,
      version,
      content: `${onHand} in stock`,
      ...during,
    })),
    ...seen.orders.map(({ id, version, status }) => ({ id, version, content: status, ...during })),
    ...seen.events.map(({ orderId, version, status }) => ({
      id: orderId,
      version,
      content: status,
      ...during,
    })),
  ];
}

/**
 * Versions of a resource are totally ordered, so that a history of it is linearizable if and only if none
 * that was asked for after an answer is older than that answer (for each pair of observations in the order of
 * versions, the first begins before the second ends), and one version has one content. Of the events of an
 * order the last one says how far it is; the ones before it are compared by content alone.
 */
function checkVersions(evidence: Evidence): Violation[] {
  const { history, state } = evidence;
  const answers = history.flatMap(({ outcome, invoked, returned }) =>
    outcome.kind === "ok" ? observe({ ...outcome, events: outcome.events.slice(-1) }, invoked, returned) : [],
  );
  const events = [
    ...history.flatMap(({ outcome }) => (outcome.kind === "ok" ? outcome.events : [])),
    ...state.events,
  ];
  const past = observe({ users: [], products: [], orders: [], events }, -Infinity, Infinity);
  const last = observe({ ...state, events: [] }, Infinity, Infinity);
  const earliest = earliestChanges(evidence);
  const byId = Map.groupBy([...answers, ...past, ...last], ({ id }) => id);
  return [...byId].flatMap(([id, observations]) => checkResource(id, observations, earliest));
}

function checkResource(
  id: string,
  observations: readonly Observation[],
  earliest: ReadonlyMap<string, number>,
): Violation[] {
  const versions = [...Map.groupBy(observations, ({ version }) => version)].toSorted(([a], [b]) => a - b);
  const violations: Violation[] = [];
  const add = (sentence: string): void => void violations.push({ invariant: "I8", ids: [id], sentence });
  let newest = -Infinity;
  for (const [version, group] of versions) {
    const contents = new Set(group.map(({ content }) => content));
    if (contents.size > 1) add(`version ${version} was seen as ${[...contents].join(" and as ")}`);
    const returned = Math.min(...group.map((seen) => seen.returned));
    if (returned < newest) add(`version ${version} was seen, and an older one by whoever asked after that`);
    const asked = earliest.get(`${id} ${[...contents][0]}`) ?? -Infinity;
    if (returned < asked) add(`version ${version} was seen before anybody asked for it`);
    newest = Math.max(newest, ...group.map(({ invoked }) => invoked));
  }
  return violations;
}

/** When each content of a resource was first asked for, by those who can have made it so. */
function earliestChanges({ calls }: Evidence): Map<string, number> {
  const earliest = new Map<string, number>();
  const add = (key: string, invoked: number): void =>
    void earliest.set(key, Math.min(invoked, earliest.get(key) ?? Infinity));
  for (const { request, verdict, invoked } of calls) {
    if (verdict === "failed") continue;
    if (request.method === "UpdateUser") add(`${request.id} ${request.name}`, invoked);
    else if ("changes" in request)
      for (const { id, status } of request.changes) add(`${id} ${status}`, invoked);
  }
  return earliest;
}

/** The answer to a change of an order shows the order after the change. */
function checkOwnWrites({ calls, state }: Evidence): Violation[] {
  // The first event of a status is the step; the ones behind it tell of items that were added.
  const versions = new Map(
    state.events
      .toReversed()
      .map(({ orderId, status, version }) => [`${orderId} ${status}`, version] as const),
  );
  return callsOf(calls, "UpdateOrderStatus", "BatchUpdateOrderStatuses").flatMap(({ request, entries }) =>
    entries.flatMap(({ outcome }) => {
      if (outcome.kind !== "ok") return [];
      return request.changes.flatMap(({ id, status }, n): Violation[] => {
        const seen = outcome.orders[n];
        if (seen?.id === id && seen.version >= (versions.get(`${id} ${status}`) ?? 0)) return [];
        const sentence = `was to become ${status} and was answered ${JSON.stringify(seen ?? "nothing")}`;
        return [{ invariant: "I8", ids: [id, request.requestId], sentence }];
      });
    }),
  );
}

/**
 * When each resource was first shown by an answer. An order shows its user as well. An import does not show
 * its orders, but from the chunk on that acknowledges them they must be found.
 */
function collectShown({ history, calls, parts }: Evidence): Map<string, number> {
  const creations = Map.groupBy(callsOf(calls, "CreateOrder"), ({ request }) => toOrderMarker(request));
  const shown = new Map(
    parts.map(({ order, created }) => {
      const group = creations.get(toOrderMarker({ ...order, lines: created })) ?? [];
      return [order.id, Math.min(...group.map(({ acknowledged }) => acknowledged))] as const;
    }),
  );
  for (const { outcome, returned } of history) {
    if (outcome.kind !== "ok") continue;
    const { users, products, orders } = outcome;
    for (const id of [...users, ...products, ...orders]
      .map((each) => each.id)
      .concat(orders.map((o) => o.userId)))
      shown.set(id, Math.min(returned, shown.get(id) ?? Infinity));
  }
  return shown;
}

/** NOT_FOUND is no answer where everything that the call names has been shown before. */
function checkFound({ request, outcome, invoked }: Entry, shown: ReadonlyMap<string, number>): Violation[] {
  if (outcome.kind !== "failed" || outcome.code !== "NotFound") return [];
  const ids = namedBy(request);
  if (!ids.every((id) => (shown.get(id) ?? Infinity) < invoked)) return [];
  return [{ invariant: "I8", ids, sentence: `${request.method}: NOT_FOUND, after all of it had been shown` }];
}

function namedBy(request: Entry["request"]): string[] {
  switch (request.method) {
    case "CreateOrder":
      return [request.userId, ...request.lines.map(({ productId }) => productId)];
    case "AddItem":
      return [request.orderId, request.line.productId];
    case "AdjustStock":
      return [request.productId];
    case "UpdateOrderStatus":
    case "BatchUpdateOrderStatuses":
      return request.changes.map(({ id }) => id);
    case "CreateUser":
    case "DeleteUser":
    case "CreateProduct":
    case "ImportOrders":
    case "ImportOrderItems":
    case "IngestOrders":
    case "ListOrders":
      return [];
    default:
      return [request.id];
  }
}

function checkUsersOfOrders({ state }: Evidence): Violation[] {
  const users = new Set(state.users.map(({ id }) => id));
  return state.orders
    .filter(({ userId }) => !users.has(userId))
    .map(({ id, userId }) => ({ invariant: "I9", ids: [id, userId], sentence: "the order has no user" }));
}

/** A walk goes from page to page; its last page says that there is no more. */
function checkWalks({ history, state }: Evidence, shown: ReadonlyMap<string, number>): Violation[] {
  const pages = history.filter(
    ({ request, outcome }) => request.method === "ListOrders" && outcome.kind === "ok",
  );
  const walks = Map.groupBy(pages, ({ request }) => (request.method === "ListOrders" ? request.walk : 0));
  return [...walks.values()].flatMap((walk) => {
    const seen = walk.flatMap(({ outcome }) => (outcome.kind === "ok" ? outcome.orders : []));
    const { request } = walk[0]!;
    const userId = request.method === "ListOrders" ? request.userId : "";
    const started = Math.min(...walk.map(({ invoked }) => invoked));
    const complete = walk.some(({ outcome }) => outcome.kind === "ok" && !outcome.more);
    const due = state.orders.filter(
      (order) => (userId === "" || order.userId === userId) && (shown.get(order.id) ?? Infinity) < started,
    );
    const ids = seen.map(({ id }) => id);
    return [
      ...ids.filter((id, n) => ids.indexOf(id) !== n).map((id) => onPages(id, "more than once")),
      ...seen
        .filter((o) => userId !== "" && o.userId !== userId)
        .map(({ id }) => onPages(id, "of another user")),
      ...seen
        .filter((order, n) => n > 0 && order.createTime > seen[n - 1]!.createTime)
        .map(({ id }) => onPages(id, "behind an older one")),
      ...due.filter(({ id }) => complete && !ids.includes(id)).map(({ id }) => onPages(id, "not at all")),
    ];
  });
}

function onPages(id: string, how: string): Violation {
  return { invariant: "I10", ids: [id], sentence: `a walk through the pages met the order ${how}` };
}

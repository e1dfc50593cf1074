import { checkCount } from "./check-effects.ts";
import type { Evidence, Invariant, Violation } from "./checker.ts";
import type { FinalState } from "./final-state.ts";
import { callsOf, type Call, type Line, type SeenOrder, type Status, type StatusChange } from "./history.ts";

/**
 * The steps that the contract allows; written down once more, because the service's own table is under test.
 */
const steps: Readonly<Record<Status, readonly Status[]>> = {
  pending: ["confirmed", "cancelled"],
  confirmed: ["shipped", "cancelled"],
  shipped: ["delivered"],
  delivered: [],
  cancelled: [],
};

type Change = StatusChange & { readonly call: Call };

/** I1, I6 and I7: each order, its total, its path, and who moved it. */
export function checkOrders({ history, calls, state }: Evidence): Violation[] {
  const batches = callsOf(calls, "UpdateOrderStatus", "BatchUpdateOrderStatuses");
  const changes = batches.flatMap((call) => call.request.changes.map((change) => ({ ...change, call })));
  const byOrder = Map.groupBy(changes, ({ id }) => id);
  const paths = Map.groupBy(state.events, ({ orderId }) => orderId);
  const stored = new Map(state.orders.map((order) => [order.id, order]));
  const seen = history.flatMap(({ outcome }) => (outcome.kind === "ok" ? outcome.orders : []));
  return [
    ...state.orders.flatMap((order) => {
      const path = (paths.get(order.id) ?? []).map(({ version, status }) => ({ version, status }));
      const moves = path.filter(({ status }, n) => n > 0 && status !== path[n - 1]!.status);
      return [
        ...checkTotal(order, order.lines),
        ...checkPath(order, path),
        ...checkMovers(order.id, moves, byOrder.get(order.id) ?? []),
      ];
    }),
    ...seen.flatMap((order) => [
      ...checkTotal(order, order.lines),
      ...checkShown(order, stored.get(order.id)),
    ]),
    ...batches.flatMap((call) => checkAtomic(call, changes, paths)),
  ];
}

function broken(invariant: Invariant, id: string, sentence: string, ...ids: string[]): Violation {
  return { invariant, ids: [id, ...ids], sentence };
}

function checkTotal({ id, total, itemCount }: SeenOrder, lines: SeenOrder["lines"]): Violation[] {
  if (lines === undefined) return [];
  const sum = sumOf(lines);
  if (sum === total && itemCount === lines.length) return [];
  return [
    broken("I1", id, `total ${total} and ${itemCount} items, but ${lines.length} items of ${sum} in all`),
  ];
}

function sumOf(lines: readonly Line[]): number {
  return lines.reduce((all, { quantity, unitPrice }) => all + quantity * unitPrice, 0);
}

/**
 * What an answer shows of an order and never changes is what is stored. Items may have been added since,
 * behind those that it shows.
 */
function checkShown(seen: SeenOrder, stored: FinalState["orders"][number] | undefined): Violation[] {
  if (stored === undefined) return [broken("I4", seen.id, "the order was shown and is not stored")];
  const toFixedParts = ({ userId, total, itemCount, reserves, createTime, lines }: SeenOrder): string =>
    JSON.stringify([userId, total, itemCount, reserves, createTime, seen.lines && lines]);
  const lines = stored.lines.slice(0, seen.itemCount);
  const was = toFixedParts({ ...stored, total: sumOf(lines), itemCount: lines.length, lines });
  if (toFixedParts(seen) === was) return [];
  return [broken("I1", seen.id, `shown as ${toFixedParts(seen)}, stored as ${was}`)];
}

type Step = { readonly version: number; readonly status: Status };

/** Items are added to an order that is not at its end, and leave it where it is. */
function checkPath(order: SeenOrder, path: readonly Step[]): Violation[] {
  const text = path.map(({ version, status }) => `${version} ${status}`).join(", ");
  const last = path.at(-1);
  const gapless = path.every(({ version }, n) => version === n + 1);
  const allowed = path.every(({ status }, n) => {
    const before = path[n - 1]?.status;
    if (before === undefined) return status === "pending";
    return steps[before].includes(status) || (status === before && steps[status].length > 0);
  });
  if (gapless && allowed && last?.version === order.version && last.status === order.status) return [];
  return [broken("I6", order.id, `version ${order.version}, ${order.status}, after the events ${text}`)];
}

/** Each step was asked for by somebody who was not refused, and by one who was acknowledged at most. */
function checkMovers(id: string, path: readonly Step[], changes: readonly Change[]): Violation[] {
  return [...Map.groupBy(changes, ({ status }) => status)]
    .flatMap(([status, group]) => {
      const winners = group.filter(({ call }) => call.verdict === "ok");
      if (winners.length > 1) {
        const ids = winners.map(({ call }) => call.request.requestId);
        return [broken("I7", id, `${winners.length} calls made it ${status}, all acknowledged`, ...ids)];
      }
      const made = path.filter((step) => step.status === status);
      const version = winners[0]?.etag ? Number(JSON.parse(winners[0].etag)) + 1 : undefined;
      if (version !== undefined && made.some((step) => step.version !== version)) {
        const sentence = `became ${status} with version ${made[0]!.version}, its etag allowed ${version}`;
        return [broken("I7", id, sentence, winners[0]!.call.request.requestId)];
      }
      const calls = group.map(({ call }) => call);
      return checkCount(calls, made.length, `step to ${status}`, id);
    })
    .concat(checkAsked(id, path, changes));
}

function checkAsked(id: string, path: readonly Step[], changes: readonly Change[]): Violation[] {
  return path
    .filter((step) => !changes.some(({ status }) => status === step.status))
    .map(({ status }) => broken("I3", id, `became ${status}, which nobody asked for`));
}

/** A batch of unknown outcome that alone can have made one of its steps has made all of them. */
function checkAtomic(
  { request, verdict }: ReturnType<typeof callsOf<"UpdateOrderStatus" | "BatchUpdateOrderStatuses">>[number],
  changes: readonly Change[],
  paths: ReadonlyMap<string, readonly Step[]>,
): Violation[] {
  if (verdict !== "unknown") return [];
  const isMade = ({ id, status }: StatusChange): boolean =>
    paths.get(id)?.some((s) => s.status === status) ?? false;
  const isOthers = ({ id, status }: StatusChange, among: readonly Call["verdict"][]): boolean =>
    changes.some(
      (other) =>
        other.id === id &&
        other.status === status &&
        other.call.request.requestId !== request.requestId &&
        among.includes(other.call.verdict),
    );
  const own = request.changes.filter((change) => isMade(change) && !isOthers(change, ["ok", "unknown"]));
  const missing = request.changes.filter((change) => !isMade(change) || isOthers(change, ["ok"]));
  if (own.length === 0 || missing.length === 0) return [];
  const ids = [...own, ...missing].map(({ id }) => id);
  return [broken("I5", request.requestId, `made ${own.length} of its steps and not the others`, ...ids)];
}

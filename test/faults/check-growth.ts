import type { Evidence, Invariant, Violation } from "./checker.ts";
import { callsOf, type Call, type Entry, type SeenEvent, type SeenOrder } from "./history.ts";
import { toItemMarker, type Parts } from "./import-rows.ts";

/** An answer that showed the order. */
type Showing = { readonly order: SeenOrder } & Pick<Entry, "invoked" | "returned">;

/** I6 and I8: orders grow with the versions that say so, and who asks after that sees it. */
export function checkGrowth({ history, calls, state, parts }: Evidence): Violation[] {
  const asked = Map.groupBy(callsOf(calls, "AddItem"), ({ request }) => toItemMarker(request));
  const events = Map.groupBy(state.events, ({ orderId }) => orderId);
  const showings = Map.groupBy(
    history.flatMap(({ outcome, invoked, returned }) =>
      outcome.kind === "ok" ? outcome.orders.map((order) => ({ order, invoked, returned })) : [],
    ),
    ({ order }) => order.id,
  );
  return parts.flatMap((each) => {
    const { id } = each.order;
    const adders = each.added.map((item) => asked.get(toItemMarker(item))?.[0]);
    const growths = (events.get(id) ?? []).filter(isGrowth).map(({ version }) => version);
    const shown = showings.get(id) ?? [];
    return [
      ...checkEvents(id, adders, growths),
      ...checkCounts(each, growths, shown),
      ...checkSeen(each, adders, shown),
    ];
  });
}

function broken(invariant: Invariant, id: string, sentence: string, ...ids: string[]): Violation {
  return { invariant, ids: [id, ...ids], sentence };
}

function isGrowth({ status }: SeenEvent, n: number, path: readonly SeenEvent[]): boolean {
  return n > 0 && status === path[n - 1]!.status;
}

type Adder = Call | undefined;

/**
 * An event that leaves the status as it is stands for items of one import, one at least. How many of them
 * came at once only the service knows: there are no more such events than items, and no fewer than times
 * that the import changes from an item to the next.
 */
function checkEvents(id: string, adders: readonly Adder[], growths: readonly number[]): Violation[] {
  const imports = adders.map((adder) => adder?.request.requestId.split("#")[0]);
  const runs = imports.filter((each, n) => n === 0 || each !== imports[n - 1]).length;
  if (growths.length >= runs && growths.length <= adders.length) return [];
  const how = `by ${runs} imports in turn, in ${growths.length} events`;
  const sentence = `${adders.length} items were added ${how}`;
  return [broken("I6", id, sentence)];
}

/** Between two versions an order has grown if there is an event that says so, and only then. */
function checkCounts({ order, created }: Parts, growths: readonly number[], shown: readonly Showing[]) {
  const first = { version: 1, itemCount: created.length };
  const seen = [first, ...shown.map((each) => each.order), order].toSorted((a, b) => a.version - b.version);
  return seen.slice(1).flatMap((next, n): Violation[] => {
    const last = seen[n]!;
    const events = growths.filter((version) => last.version < version && version <= next.version).length;
    const items = next.itemCount - last.itemCount;
    if (events === 0 ? items === 0 : items >= events) return [];
    const versions = `from version ${last.version} to ${next.version}`;
    return [broken("I6", order.id, `${versions} it grew by ${items} items in ${events} events`)];
  });
}

/** Who asks after an item was acknowledged sees it; nobody sees it before it was asked for. */
function checkSeen({ order, created }: Parts, adders: readonly Adder[], shown: readonly Showing[]) {
  return adders.flatMap((adder, n): Violation[] => {
    if (!adder) return [];
    const position = created.length + n;
    const late = shown.some((s) => adder.acknowledged < s.invoked && s.order.itemCount <= position);
    const early = shown.some((s) => s.returned < adder.invoked && s.order.itemCount > position);
    const { requestId } = adder.request;
    return [
      ...(late ? [broken("I8", order.id, "an added item was acknowledged and not seen", requestId)] : []),
      ...(early ? [broken("I8", order.id, "an item was seen before it was asked for", requestId)] : []),
    ];
  });
}

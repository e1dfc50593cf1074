import { writeUntilSettled } from "../engine/contended.ts";
import { DomainError, ofChange } from "../../errors.ts";
import { sourcesOf, statusesThat } from "../order-status.ts";
import { orderColumns, type Order } from "./orders.ts";
import { expectDistinct, expectOne, type Outcome } from "../outcome.ts";
import { decide } from "../refusals.ts";
import { refuseChanges } from "./refuse-orders.ts";
import { answerReplays, type Moved, type StatusChange } from "./status-changes.ts";
import { type Before, refusal, type Refused } from "./status-refusals.ts";
import { rowSet } from "../engine/row-set.ts";
import { statement, type Run } from "../engine/statement.ts";
import { nth } from "../../lists.ts";

const sentChanges = rowSet<
  Omit<StatusChange, "refusalMs"> & { readonly n: number; readonly sources: string }
>(
  {
    n: "n int4",
    orderId: "id uuid",
    status: "status text",
    sources: "sources text",
    version: "version int8",
    idempotencyKey: "idempotency_key uuid",
    fingerprint: "fingerprint uuid",
  },
  2,
);

type ChangedRow = { readonly n: number } & (
  | ({ readonly verdict: "ok" } & Before & (Order | { readonly [K in keyof Order]: null }))
  | { readonly verdict: "replayed" | "contended" }
  | Refused
);

/** The statuses that return the stock. */
const returning = statusesThat((is) => is.returnsStock);

/**
 * Moves a batch of orders, no two changes of one order, with a verdict for each; with $1 all of them or
 * none. The event is written with the change under the call's key, whose unique index stands between
 * attempts of one call: the statement reads the key first, so that the second attempt either finds the first
 * one's event or fails on the index and is run again. Stock is returned where the new status says so.
 *
 * Locks, on PostgreSQL: orders, then the products of what is returned, each by id, as in `orders.create`;
 * then the keys, in their order.
 *
 * Read committed is enough. Status and version decide as the lock finds them. `known` is of the snapshot: of
 * an attempt that was committed since, whose change is what this one then finds forbidden or stale, the mark
 * of the refusal meets the key, and the next round finds it. Items are of the snapshot, too: where the order
 * has got more since then, by its count, the change is "contended" and comes again, or their stock would not
 * be returned. They are never taken away. Times do not go back behind those of who had the lock before.
 */
const updateStatuses = statement<ChangedRow>(
  "orders.update_statuses",
  `with request as (${sentChanges.select("r")}),
  known as (
    select idempotency_key from order_events
    where idempotency_key = any(${sentChanges.parameter("idempotencyKey")})
  ),
  locked as (
    select id, status, version, reserves_stock, item_count, update_time from orders
    where id = any(${sentChanges.parameter("orderId")}) order by id for update
  ),
  candidate as (
    select r.n, r.id, r.status, r.idempotency_key, r.fingerprint,
      l.status as was, l.version, l.reserves_stock, greatest(now(), l.update_time) as change_time,
      case when k.idempotency_key is not null then 'replayed' when l.id is null then 'unknown'
        when r.version <> l.version then 'stale'
        when not l.status = any(string_to_array(r.sources, ',')) then 'forbidden'
        when r.status in (${returning}) and l.reserves_stock
          and l.item_count <> (select count(i.id) from order_items i where i.order_id = l.id) then 'contended'
        else 'ok' end as verdict
    from request r left join locked l on l.id = r.id
      left join known k on k.idempotency_key = r.idempotency_key
  ),
  accepted as (
    select id, status, idempotency_key, fingerprint, version, reserves_stock, change_time from candidate
    where verdict = 'ok' and (not $1::bool or not exists (select 1 from candidate where verdict <> 'ok'))
  ),
  event as (
    insert into order_events (order_id, version, status, idempotency_key, fingerprint, create_time)
    select id, version + 1, status, idempotency_key, fingerprint, change_time from accepted
    order by idempotency_key
  ),
  returned as (
    select i.product_id, sum(i.quantity)::int8 as quantity
    from accepted a join order_items i on i.order_id = a.id
    where a.status in (${returning}) and a.reserves_stock group by i.product_id
  ),
  held as (
    select p.id from returned r join products p on p.id = r.product_id order by p.id for update of p
  ),
  restocked as (
    update products p
    set on_hand = p.on_hand + r.quantity, version = p.version + 1,
      update_time = greatest(now(), p.update_time)
    from held h join returned r on r.product_id = h.id where p.id = h.id
  ),
  changed as (
    update orders o set status = a.status, version = o.version + 1, update_time = a.change_time
    from accepted a where o.id = a.id
    returning ${orderColumns.of("o")}
  )
  select c.n, c.was, c.version as "versionBefore", ${orderColumns.again("o")},
    case when $1::bool and exists (select 1 from candidate where verdict = 'contended') then 'contended'
      else c.verdict end as verdict
  from candidate c left join changed o on o.id = c.id`,
);

/**
 * Moves orders along the status machine, each or not by itself, and returns an outcome for each change in the
 * order given: the order without its items, or why the change was refused ("not_found", "aborted",
 * "failed_precondition", or "invalid" for a reused request id).
 */
export async function changeStatuses(run: Run, changes: readonly StatusChange[]): Promise<Outcome<Order>[]> {
  expectApart(changes);
  return decide<StatusChange, Order>(run, changes, {
    idOf: ({ idempotencyKey }) => idempotencyKey,
    keep: refuseChanges,
    async write(open, outcomes) {
      const moved = await moveOrders(run, changes, open, false);
      for (const [n, outcome] of [...moved.outcomes, ...moved.kept]) outcomes[n] = outcome;
      return moved.refusals;
    },
  });
}

/**
 * Moves orders as changeStatuses does, all of them or none, and returns them in the order given, or throws
 * the first refusal with its index. That one is kept under the key of the first change, without which no
 * attempt of the batch can happen.
 */
export async function changeStatusesAtomically(
  run: Run,
  changes: readonly StatusChange[],
): Promise<readonly Order[]> {
  expectApart(changes);
  const all = [...changes.keys()];
  const batches = await decide<StatusChange, readonly Order[]>(run, changes.slice(0, 1), {
    idOf: ({ idempotencyKey }) => idempotencyKey,
    keep: refuseChanges,
    async write(_, batch) {
      const { outcomes, kept, refusals } = await moveOrders(run, changes, all, true);
      const isOrder = (each: Outcome<Order>): each is Order => !(each instanceof DomainError);
      const errors = new Map([...refusals, ...outcomes].filter(([, each]) => !isOrder(each)));
      const first = all.find((n) => errors.has(n));
      const orders = all.flatMap((n) => outcomes.get(n) ?? []).filter(isOrder);
      if (kept.has(0)) batch[0] = kept.get(0);
      else if (first !== undefined) {
        const error = ofChange(first, errors.get(first) as DomainError);
        // Where one change has happened all have: what is missing was deleted since, with its order.
        if (refusals.has(first) && orders.length === 0) return new Map([[0, error]]);
        batch[0] = error;
      } else if (orders.length === changes.length) batch[0] = orders;
      return new Map();
    },
  });
  return expectOne(batches);
}

/** As rows of one statement they would not see each other. */
function expectApart(changes: readonly StatusChange[]): void {
  expectDistinct(changes.map(({ orderId }) => orderId));
  expectDistinct(changes.map(({ idempotencyKey }) => idempotencyKey));
}

async function moveOrders(
  run: Run,
  changes: readonly StatusChange[],
  open: readonly number[],
  atomic: boolean,
): Promise<Moved> {
  const moved: Moved = { outcomes: new Map(), kept: new Map(), refusals: new Map() };
  const replayed: number[] = [];
  const toValues = (numbers: readonly number[]) => updateValues(changes, numbers, atomic);
  for (const { n, ...row } of await writeUntilSettled(run, updateStatuses, open, toValues)) {
    if (row.verdict === "replayed") replayed.push(n);
    else if (row.verdict !== "ok") moved.refusals.set(n, refusal(nth(changes, n), row));
    else if (row.id !== null) moved.outcomes.set(n, withoutVerdict(row));
  }
  if (replayed.length > 0) await answerReplays(run, changes, replayed, moved);
  return moved;
}

function updateValues(changes: readonly StatusChange[], open: readonly number[], atomic: boolean): unknown[] {
  const rows = open.map((n) => {
    const change = nth(changes, n);
    return { n, sources: sourcesOf(change.status).join(","), ...change };
  });
  return [atomic, ...sentChanges.values(rows)];
}

function withoutVerdict({
  verdict: _,
  was: __,
  versionBefore: ___,
  ...order
}: Order & Before & { readonly verdict: "ok" }): Order {
  return order;
}

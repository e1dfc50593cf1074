import { writeUntilSettled } from "../engine/contended.ts";
import {
  type DomainError,
  importSuperseded,
  insufficientStock,
  notFound,
  productType,
  requestIdReused,
  type Shortage,
  userType,
} from "../../errors.ts";
import { attemptOf, type ImportAttempt, isSuperseded, toAttemptValues } from "./import-attempts.ts";
import {
  demandsOf,
  type OrderDraft,
  sentDemands,
  sentLines,
  sentOrders,
  toParameters,
} from "./order-drafts.ts";
import { firstStatus } from "../order-status.ts";
import { getOrders, type Order } from "./orders.ts";
import { expectDistinct, type Outcome } from "../outcome.ts";
import { decide, type Outcomes, type StoredRefusal, toRefusal } from "../refusals.ts";
import { refuseOrders } from "./refuse-orders.ts";
import { statement, type Run } from "../engine/statement.ts";
import type { Micros } from "../engine/pg-types.ts";
import { nth } from "../../lists.ts";

/** By what a stored order is known to be that of a draft. */
type Stored = { readonly id: string; readonly fingerprint: string };

type CreatedRow = {
  readonly n: number;
  readonly verdict:
    | "created"
    | "existed"
    | "unknown_user"
    | "unknown_product"
    | "short"
    | "contended"
    | "superseded";
  readonly createTime: Micros | null;
  readonly unknown: string[] | null;
  /** The stock of products of which there is too little, by their ids. */
  readonly short: Readonly<Record<string, string>> | null;
};

/**
 * Places a batch of orders, with a verdict for each. Products are locked in the order of their ids. A
 * request that alone asks for more than there is, or for what does not exist, is refused and counts no
 * further; among the others stock is given in the order of arrival, and who would get it only if the ones
 * before were not there is "contended" and comes again in the next round, where the first in line always
 * succeeds or is refused for good.
 *
 * An order is placed if its first event can be inserted. Where that one is there, so is the order, or the
 * mark of a refusal, or the call is done anew elsewhere: all of them keep the order out ("existed").
 *
 * Locks, on PostgreSQL: products, by id, whose stock decides as the lock finds it; the attempt at an import;
 * the key of the event; and at the end the user, by the foreign key. All statements lock orders before
 * products before users, each by id: there is no deadlock. CockroachDB locks as it reads, whatever the order
 * asked for, and ends a deadlock with 40001, which is retried.
 *
 * Read committed is enough: nothing else that decides can change but by a row that is met. What is left of
 * the stock is counted from what the lock has found, and not from `p`: PostgreSQL checks that it is not
 * below zero on the row of the snapshot, before it finds that there is a newer one. Users come from the
 * snapshot; of one who was deleted since, the foreign key fails the statement, which then runs again.
 * Products are never deleted. Of an attempt of this call that was committed since the snapshot, the event is
 * met by its key; where this one is refused meanwhile, by the mark or by the look-ups in later statements.
 */
const insertOrders = statement<CreatedRow>(
  "orders.create",
  `with request as (${sentOrders.select("r")}),
  line as (${sentLines.select("l")}),
  locked as (select id, on_hand from products where id = any($1::uuid[]) order by id for update),
  ${attemptOf(sentDemands.next, "locked")},
  product as (
    select id, on_hand, true as reserved from locked
    union all select id, null::int8, false from products where id = any($2::uuid[])
  ),
  demand as (
    select d.n, d.product_id, d.quantity, d.reserved, p.id is null as unknown, p.on_hand
    from ${sentDemands.from("d")}
    left join product p on p.id = d.product_id and p.reserved = d.reserved
  ),
  alone as (
    select n,
      array_agg(product_id) filter (where unknown) as unknown,
      jsonb_object_agg(product_id::text, on_hand::text) filter (where quantity > on_hand) as short
    from demand group by n
  ),
  buyer as (select id from users where id = any($3::uuid[])),
  candidate as (
    select r.n, a.unknown, a.short,
      case when ${isSuperseded(sentDemands.next)} then 'superseded'
        when u.id is null then 'unknown_user' when a.unknown is not null then 'unknown_product'
        when a.short is not null then 'short' else 'possible' end as verdict
    from request r join alone a on a.n = r.n left join buyer u on u.id = r.user_id
  ),
  running as (
    select d.n, d.on_hand, sum(d.quantity) over (partition by d.product_id order by d.n) as upto
    from demand d join candidate c on c.n = d.n where c.verdict = 'possible' and d.reserved
  ),
  contended as (select n from running where upto > on_hand group by n),
  event as (
    insert into order_events (order_id, version, status)
    select r.id, 1, '${firstStatus}'
    from request r join candidate c on c.n = r.n
    where c.verdict = 'possible' and r.n not in (select n from contended)
    order by r.id
    on conflict do nothing
    returning order_id
  ),
  inserted as (
    insert into orders (id, user_id, status, currency_code, total, item_count, reserves_stock, fingerprint)
    select r.id, r.user_id, '${firstStatus}', r.currency_code, r.total, r.item_count, r.reserves_stock,
      r.fingerprint
    from request r join event e on e.order_id = r.id
    on conflict (id) do nothing
    returning id, create_time
  ),
  created as (select r.n, r.id, i.create_time from request r join inserted i on i.id = r.id),
  item as (
    insert into order_items (order_id, id, position, product_id, quantity, unit_price)
    select c.id, l.id, l.position, l.product_id, l.quantity, l.unit_price
    from line l join created c on c.n = l.n
  ),
  taken as (
    update products p
    set on_hand = t.on_hand, version = p.version + 1, update_time = greatest(now(), p.update_time)
    from (
      select d.product_id, max(d.on_hand) - sum(d.quantity)::int8 as on_hand
      from demand d join created c on c.n = d.n where d.reserved group by d.product_id
    ) t
    where p.id = t.product_id
  )
  select c.n, r.create_time as "createTime", c.unknown, c.short,
    case when c.verdict <> 'possible' then c.verdict when r.n is not null then 'created'
      when k.n is not null then 'contended' else 'existed' end as verdict
  from candidate c left join created r on r.n = c.n left join contended k on k.n = c.n`,
);

const selectFirstEvents = statement<{ readonly id: string; readonly refusal: StoredRefusal | null }>(
  "orders.first_events",
  `select order_id as id, refusal from order_events where order_id = any($1::uuid[]) and version = 1`,
);

/**
 * Places orders, each or not by itself, and returns an outcome for each in the order given: the order with
 * its items, or why it was refused ("not_found", "failed_precondition", or "invalid" for a reused request
 * id). A draft whose id exists already is answered with the stored order as it is now.
 */
export function createOrders(run: Run, drafts: readonly OrderDraft[]): Promise<Outcome<Order>[]> {
  return placeOrders<Order>(run, drafts, placed, (ids) => getOrders(run, ids, true));
}

/**
 * How a batch of orders is answered: `toAnswer` those that were placed now, `find` those that were before.
 * Throws "aborted" where another attempt at the import has begun.
 */
export async function placeOrders<T>(
  run: Run,
  drafts: readonly OrderDraft[],
  toAnswer: (draft: OrderDraft, createTime: Micros) => T,
  find: (ids: readonly string[]) => Promise<readonly (T & Stored)[]>,
  attempt?: ImportAttempt,
): Promise<Outcome<T>[]> {
  expectDistinct(drafts.map(({ id }) => id));
  const idsOf = (numbers: readonly number[]): string[] => numbers.map((n) => nth(drafts, n).id);
  const toValues = (numbers: readonly number[]) => [
    ...toParameters(drafts, numbers),
    ...toAttemptValues(attempt),
  ];

  async function write(open: readonly number[], outcomes: Outcomes<T>): Promise<Map<number, DomainError>> {
    const refusals = new Map<number, DomainError>();
    for (const row of await writeUntilSettled(run, insertOrders, open, toValues)) {
      if (row.verdict === "superseded") throw importSuperseded();
      if (row.verdict === "created") outcomes[row.n] = toAnswer(nth(drafts, row.n), row.createTime!);
      else if (row.verdict !== "existed") refusals.set(row.n, refusal(nth(drafts, row.n), row));
    }
    return refusals;
  }

  /**
   * Those that were not placed now may have been placed before, by a call whose answer was lost: an earlier
   * attempt may itself have taken the last stock.
   */
  async function findOrders(open: readonly number[], outcomes: Outcomes<T>): Promise<void> {
    const stored = new Map((await find(idsOf(open))).map((order) => [order.id, order]));
    for (const n of open) {
      const { id, fingerprint } = nth(drafts, n);
      const order = stored.get(id);
      if (order) outcomes[n] = order.fingerprint === fingerprint ? order : requestIdReused();
    }
  }

  async function findMarks(open: readonly number[], outcomes: Outcomes<T>): Promise<void> {
    const events = new Map((await run(selectFirstEvents, [idsOf(open)])).map((event) => [event.id, event]));
    for (const n of open) {
      const draft = nth(drafts, n);
      const event = events.get(draft.id);
      // Without a refusal the order was placed, and deleted with its user by a release that leaves events.
      if (event)
        outcomes[n] = event.refusal ? toRefusal(event.refusal, draft) : notFound(userType, draft.userId);
    }
  }

  const lookUps = [findOrders, findMarks];
  return decide(run, drafts, { idOf: ({ id }) => id, keep: refuseOrders, write, lookUps });
}

function placed(draft: OrderDraft, createTime: Micros): Order {
  const { fingerprint: _, refusalMs: __, items, ...order } = draft;
  return {
    ...order,
    status: firstStatus,
    itemCount: items.length,
    version: 1n,
    createTime,
    updateTime: createTime,
    items,
  };
}

/** What there is too little of, in the order of the draft. */
function shortagesOf(draft: OrderDraft, short: Readonly<Record<string, string>>): Shortage[] {
  return demandsOf(draft).flatMap(({ productId, quantity }) => {
    const onHand = short[productId];
    return onHand === undefined ? [] : [{ productId, onHand: BigInt(onHand), requested: BigInt(quantity) }];
  });
}

function refusal(draft: OrderDraft, row: Pick<CreatedRow, "verdict" | "unknown" | "short">): DomainError {
  if (row.verdict === "unknown_user") return notFound(userType, draft.userId);
  if (row.verdict === "unknown_product") {
    const asked = draft.items.find((item) => row.unknown!.includes(item.productId))!;
    return notFound(productType, asked.productId);
  }
  const [first, ...others] = shortagesOf(draft, row.short!);
  return insufficientStock([first!, ...others]);
}

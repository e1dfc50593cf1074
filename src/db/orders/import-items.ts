import { writeUntilSettled } from "../engine/contended.ts";
import {
  createError,
  type DomainError,
  importSuperseded,
  insufficientStock,
  invalid,
  notFound,
  orderType,
  productType,
  requestIdReused,
  unmet,
} from "../../errors.ts";
import { isFinal, statusesThat, type OrderStatus } from "../order-status.ts";
import type { RowOutcome } from "../outcome.ts";
import { attemptOf, type ImportAttempt, isSuperseded, toAttemptValues } from "./import-attempts.ts";
import { rowSet } from "../engine/row-set.ts";
import { statement, type Run } from "../engine/statement.ts";
import { e4Max, toDecimal, type E4 } from "../engine/pg-types.ts";
import { nth } from "../../lists.ts";

/** Items that an order may have; the contract says the same. */
const itemsMax = 1_000;

/** An item to be added to an order. Its id is derived from the call and is known within its order. */
export type ItemDraft = {
  readonly id: string;
  readonly orderId: string;
  readonly productId: string;
  readonly quantity: number;
  readonly unitPrice: E4;
  readonly currencyCode: string;
};

/** The rows come behind the orders' ids, the most items of an order and its largest total. */
const sentItems = rowSet<Omit<ItemDraft, "unitPrice"> & { readonly n: number; readonly unitPrice: string }>(
  {
    n: "n int4",
    orderId: "order_id uuid",
    id: "id uuid",
    productId: "product_id uuid",
    quantity: "quantity int4",
    unitPrice: "unit_price decimal",
    currencyCode: "currency_code text",
  },
  4,
);

type Refusal =
  | "reused"
  | "unknown_order"
  | "final"
  | "currency"
  | "unknown_product"
  | "short"
  | "full"
  | "over";

/** An item that was not inserted. */
type LeftRow = {
  readonly n: number;
  readonly verdict: "existed" | "contended" | "superseded" | Refusal;
  readonly orderCurrency: string | null;
  readonly status: OrderStatus | null;
  readonly onHand: bigint | null;
};

/**
 * Adds a batch of items to orders, with a verdict for each that it does not insert; totals, stock and one
 * event for each order change with them. Orders are locked in the order of their ids, then the products of
 * those that reserve stock, as in `orders.create`. What is refused alone counts no further; among the others
 * stock, room and totals are counted in the order of arrival, and one that would be refused only because of
 * those before comes again in the next round, where the first in line is decided for good. An
 * item that is there is found before anything else is decided: its order may have been delivered since. An
 * item without an answer is inserted.
 *
 * Read committed is enough. What decides about an order is as the lock finds it, but for its items, which are
 * of the snapshot: where the order has another version than in the snapshot, maybe by an attempt at this
 * import, its items come again ("contended"). Whoever adds items changes the order. Stock decides as the
 * lock finds it, and is counted from that, as in `orders.create`; products are never deleted.
 */
const insertItems = statement<LeftRow>(
  "orders.add_items",
  `with request as (${sentItems.select("r")}),
  seen as (select id, version from orders where id = any($1::uuid[])),
  locked as (
    select id, status, currency_code, total, item_count, reserves_stock, version, update_time
    from orders where id = any($1::uuid[]) order by id for update
  ),
  asked as (
    select r.n, r.order_id, r.id, r.product_id, r.quantity, r.unit_price,
      o.currency_code, o.status, o.total, o.item_count, o.reserves_stock, o.version, o.update_time,
      case
        when o.version <> s.version then 'contended'
        when k.product_id = r.product_id and k.quantity = r.quantity and k.unit_price = r.unit_price
          and o.currency_code = r.currency_code then 'existed'
        when k.product_id is not null then 'reused'
        when o.id is null then 'unknown_order'
        when o.status in (${statusesThat((is) => !is.takesItems)}) then 'final'
        when o.currency_code <> r.currency_code then 'currency' when o.item_count >= $2::int4 then 'full'
        when o.total + r.quantity * r.unit_price > $3::decimal then 'over' else 'possible' end as verdict
    from request r left join locked o on o.id = r.order_id left join seen s on s.id = r.order_id
      left join order_items k on k.order_id = r.order_id and k.id = r.id
  ),
  held as (
    select p.id, p.on_hand
    from (select distinct product_id from asked where verdict = 'possible' and reserves_stock) a
      join products p on p.id = a.product_id order by p.id for update of p
  ),
  ${attemptOf(sentItems.next, "held")},
  product as (
    select id, on_hand, true as reserved from held
    union all select p.id, null::int8, false
    from (select distinct product_id from asked where verdict = 'possible' and not reserves_stock) a
      join products p on p.id = a.product_id
  ),
  candidate as (
    select a.n, a.order_id, a.id, a.product_id, a.quantity, a.unit_price,
      a.currency_code, a.status, a.total, a.item_count, a.reserves_stock, a.version, a.update_time, p.on_hand,
      case when ${isSuperseded(sentItems.next)} then 'superseded'
        when a.verdict <> 'possible' then a.verdict when p.id is null then 'unknown_product'
        when a.quantity > p.on_hand then 'short' else 'possible' end as verdict
    from asked a left join product p on p.id = a.product_id and p.reserved = a.reserves_stock
  ),
  running as (
    select n, order_id, id, product_id, quantity, unit_price,
      status, total, item_count, reserves_stock, version, update_time, on_hand,
      sum(quantity) over (partition by reserves_stock, product_id order by n) as taken,
      count(n) over (partition by order_id order by n) as added,
      sum(quantity * unit_price) over (partition by order_id order by n) as amount
    from candidate where verdict = 'possible'
  ),
  accepted as (
    select n, order_id, id, product_id, quantity, unit_price,
      status, item_count, reserves_stock, version, update_time, on_hand
    from running
    where (on_hand is null or taken <= on_hand) and item_count + added <= $2::int4
      and total + amount <= $3::decimal
  ),
  item as (
    insert into order_items (order_id, id, position, product_id, quantity, unit_price)
    select order_id, id, item_count + row_number() over (partition by order_id order by n) - 1,
      product_id, quantity, unit_price
    from accepted
  ),
  grown as (
    select order_id, status, version, greatest(now(), update_time) as change_time,
      count(n)::int4 as items, sum(quantity * unit_price) as amount
    from accepted group by order_id, status, version, update_time
  ),
  event as (
    insert into order_events (order_id, version, status, create_time)
    select order_id, version + 1, status, change_time from grown
  ),
  changed as (
    update orders o
    set total = o.total + g.amount, item_count = o.item_count + g.items, version = o.version + 1,
      update_time = g.change_time
    from grown g where o.id = g.order_id
  ),
  used as (
    update products p
    set on_hand = t.on_hand, version = p.version + 1, update_time = greatest(now(), p.update_time)
    from (
      select product_id, max(on_hand) - sum(quantity)::int8 as on_hand
      from accepted where reserves_stock group by product_id
    ) t
    where p.id = t.product_id
  )
  select c.n, c.currency_code as "orderCurrency", c.status, c.on_hand as "onHand",
    case when c.verdict <> 'possible' then c.verdict else 'contended' end as verdict
  from candidate c left join accepted a on a.n = c.n where a.n is null`,
);

/**
 * Adds items to orders, each or not by itself, and returns an outcome for each in the order given. Their ids
 * are distinct. Throws "aborted" where another attempt at the import has begun.
 */
export async function importItems(
  run: Run,
  drafts: readonly ItemDraft[],
  attempt?: ImportAttempt,
): Promise<RowOutcome[]> {
  const outcomes = new Array<RowOutcome>(drafts.length).fill("inserted");
  const toValues = (numbers: readonly number[]) => [
    ...insertValues(drafts, numbers),
    ...toAttemptValues(attempt),
  ];
  const rows = await writeUntilSettled(run, insertItems, [...drafts.keys()], toValues);
  for (const { n, verdict, ...found } of rows) {
    if (verdict === "superseded") throw importSuperseded();
    outcomes[n] = verdict === "existed" ? verdict : refusal(nth(drafts, n), verdict, found);
  }
  return outcomes;
}

function insertValues(drafts: readonly ItemDraft[], numbers: readonly number[]): unknown[] {
  const batch = numbers.map((n) => {
    const draft = nth(drafts, n);
    return { ...draft, n, unitPrice: toDecimal(draft.unitPrice) };
  });
  const orderIds = [...new Set(batch.map(({ orderId }) => orderId))];
  return [orderIds, itemsMax, toDecimal(e4Max), ...sentItems.values(batch)];
}

function refusal(
  draft: ItemDraft,
  verdict: Refusal,
  { orderCurrency, status, onHand }: Pick<LeftRow, "orderCurrency" | "status" | "onHand">,
): DomainError {
  const { orderId, productId, quantity } = draft;
  switch (verdict) {
    case "reused":
      return requestIdReused();
    case "unknown_order":
      return notFound(orderType, orderId);
    case "unknown_product":
      return notFound(productType, productId);
    case "currency":
      return invalid("item.unit_price.currency_code", `must be ${orderCurrency}, as in the order`);
    case "final":
      return unfit(
        "FINAL_ORDER",
        "STATUS",
        draft,
        `is ${status!.toUpperCase()}, which ${isFinal(status!) ? "is final" : "takes no items"}`,
      );
    case "full":
      return unfit("TOO_MANY_ITEMS", "ITEMS", draft, `has ${itemsMax} items, the most that there may be`);
    case "over":
      return unfit("TOTAL_LIMIT", "TOTAL", draft, "would have a total that is not below 10^15");
    case "short":
      return insufficientStock([{ productId, onHand: onHand!, requested: BigInt(quantity) }]);
    default:
      return verdict satisfies never;
  }
}

/** The order cannot take the item. */
function unfit(
  reason: "FINAL_ORDER" | "TOO_MANY_ITEMS" | "TOTAL_LIMIT",
  condition: "STATUS" | "ITEMS" | "TOTAL",
  { orderId }: ItemDraft,
  what: string,
): DomainError {
  return createError(reason, `order ${orderId} ${what}`, {
    violations: [unmet(condition, orderType, orderId, what)],
    metadata: { id: orderId },
  });
}

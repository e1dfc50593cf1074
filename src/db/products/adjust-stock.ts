import { writeUntilSettled } from "../engine/contended.ts";
import {
  type DomainError,
  insufficientStock,
  notFound,
  productType,
  requestIdReused,
  stockLimit,
} from "../../errors.ts";
import { getProducts, productColumns, type Product } from "./products.ts";
import { expectDistinct, type Outcome } from "../outcome.ts";
import {
  decide,
  markExpiry,
  type Outcomes,
  type Refusable,
  sentMarks,
  type StoredRefusal,
  toRefusal,
} from "../refusals.ts";
import { rowSet } from "../engine/row-set.ts";
import { statement, type Run } from "../engine/statement.ts";
import { nth } from "../../lists.ts";

/** The most pieces of one product that an adjustment may lead to: any sum of products stays inside int8. */
const onHandMax = 1_000_000_000_000n;

/** Pieces to add to a product's stock or, below zero, to take from it. The id is derived from the call. */
export type StockAdjustment = Refusable & {
  readonly id: string;
  readonly productId: string;
  readonly delta: bigint;
};

const sentMovements = rowSet<Omit<StockAdjustment, "refusalMs"> & { readonly n: number }>(
  {
    n: "n int4",
    id: "id uuid",
    productId: "product_id uuid",
    delta: "delta int8",
    fingerprint: "fingerprint uuid",
  },
  2,
);

type AdjustedRow = { readonly n: number; readonly onHandBefore: bigint | null } & (
  | ({ readonly verdict: "ok" } & Product)
  | { readonly verdict: "replayed" | "unknown" | "short" | "over" | "contended" }
);

/**
 * Adjusts stock, with a verdict for each of a batch. Those that alone would leave the range are refused;
 * among the others, takings and additions are each counted in the order of arrival as if the other kind did
 * not exist, so that whatever is accepted fits; the rest is "contended" and comes again in the next round.
 * The statement reads the movement's id first, as the status change does its key. $1 is the most that there
 * may be.
 *
 * Locks, on PostgreSQL: products, by id, as in `orders.create`; then the ids of the movements, in their
 * order. Read committed is enough: stock decides as the lock finds it, and is counted from that, as in
 * `orders.create`; products are never deleted. Of an attempt of this call that was committed since the
 * snapshot, the movement is met by its id: by this one's, which then fails the statement, or by the mark of
 * its refusal.
 */
const insertMovements = statement<AdjustedRow>(
  "products.adjust_stock",
  `with request as (${sentMovements.select("r")}),
  known as (select id from stock_movements where id = any(${sentMovements.parameter("id")})),
  locked as (
    select id, on_hand from products where id = any(${sentMovements.parameter("productId")})
    order by id for update
  ),
  candidate as (
    select r.n, r.id, r.product_id, r.delta, r.fingerprint, l.on_hand,
      case when k.id is not null then 'replayed' when l.id is null then 'unknown'
        when l.on_hand + r.delta < 0 then 'short'
        when r.delta > 0 and l.on_hand + r.delta > $1::int8 then 'over'
        else 'possible' end as verdict
    from request r left join locked l on l.id = r.product_id left join known k on k.id = r.id
  ),
  running as (
    select n, id, product_id, delta, fingerprint, on_hand,
      sum(least(delta, 0)) over (partition by product_id order by n) as taken,
      sum(greatest(delta, 0)) over (partition by product_id order by n) as added
    from candidate where verdict = 'possible'
  ),
  accepted as (
    select n, id, product_id, delta, fingerprint, on_hand from running
    where on_hand + taken >= 0 and (added = 0 or on_hand + added <= $1::int8)
  ),
  movement as (
    insert into stock_movements (id, product_id, delta, fingerprint)
    select id, product_id, delta, fingerprint from accepted order by id
  ),
  changed as (
    update products p
    set on_hand = t.on_hand, version = p.version + 1, update_time = greatest(now(), p.update_time)
    from (
      select product_id, max(on_hand) + sum(delta)::int8 as on_hand from accepted group by product_id
    ) t
    where p.id = t.product_id
    returning ${productColumns.of("p")}
  )
  select c.n, c.on_hand as "onHandBefore",
    case when c.verdict <> 'possible' then c.verdict when a.n is null then 'contended'
      else 'ok' end as verdict,
    ${productColumns.again("p")}
  from candidate c left join accepted a on a.n = c.n left join changed p on p.id = a.product_id`,
);

type Movement = {
  readonly id: string;
  readonly fingerprint: string;
  readonly refusal: StoredRefusal | null;
};

const selectMovements = statement<Movement>(
  "products.movements_by_id",
  `select id, fingerprint, refusal from stock_movements where id = any($1::uuid[])`,
);

/** Keeps refusals to adjust stock: movements of nothing, and of no product. */
const refuseMovements = statement<{ readonly id: string }>(
  "products.refuse",
  `insert into stock_movements (id, product_id, delta, fingerprint, refusal, expire_time)
  select id, id, 0, id, refusal::jsonb, ${markExpiry} from ${sentMarks.from("m")} order by id
  on conflict do nothing
  returning id`,
);

/**
 * Adjusts stock, each adjustment by itself, and returns an outcome for each in the order given: the product,
 * or why it was refused ("not_found", "failed_precondition", or "invalid" for a reused request id).
 */
export async function adjustStock(
  run: Run,
  adjustments: readonly StockAdjustment[],
): Promise<Outcome<Product>[]> {
  expectDistinct(adjustments.map(({ id }) => id));
  const toValues = (numbers: readonly number[]) => {
    const batch = numbers.map((n) => ({ n, ...nth(adjustments, n) }));
    return [onHandMax, ...sentMovements.values(batch)];
  };
  async function write(
    open: readonly number[],
    outcomes: Outcomes<Product>,
  ): Promise<Map<number, DomainError>> {
    const replayed: number[] = [];
    const refusals = new Map<number, DomainError>();
    for (const row of await writeUntilSettled(run, insertMovements, open, toValues)) {
      const { n, onHandBefore, ...rest } = row;
      if (rest.verdict === "replayed") replayed.push(n);
      else if (rest.verdict === "ok") outcomes[n] = withoutVerdict(rest);
      else refusals.set(n, refusal(nth(adjustments, n), rest.verdict, onHandBefore ?? 0n));
    }
    if (replayed.length > 0) await answerReplays(run, adjustments, replayed, outcomes);
    return refusals;
  }
  return decide(run, adjustments, { idOf: ({ id }) => id, keep: refuseMovements, write });
}

function withoutVerdict({ verdict: _, ...product }: Product & { readonly verdict: "ok" }): Product {
  return product;
}

async function answerReplays(
  run: Run,
  adjustments: readonly StockAdjustment[],
  replayed: readonly number[],
  outcomes: Outcomes<Product>,
): Promise<void> {
  const wanted = replayed.map((n) => nth(adjustments, n));
  const ids = wanted.map(({ id }) => id);
  const movements = new Map((await run(selectMovements, [ids])).map((m) => [m.id, m]));
  const products = await getProducts(run, [...new Set(wanted.map(({ productId }) => productId))]);
  for (const n of replayed) {
    const adjustment = nth(adjustments, n);
    const movement = movements.get(adjustment.id);
    // A mark that has expired since: the next round decides anew.
    if (movement === undefined) continue;
    const found = products.find((product) => product.id === adjustment.productId);
    if (movement.refusal) outcomes[n] = toRefusal(movement.refusal, adjustment);
    else if (movement.fingerprint !== adjustment.fingerprint || found === undefined)
      outcomes[n] = requestIdReused();
    else {
      const { fingerprint: _, ...product } = found;
      outcomes[n] = product;
    }
  }
}

function refusal(
  { productId, delta }: StockAdjustment,
  verdict: "unknown" | "short" | "over",
  onHand: bigint,
): DomainError {
  if (verdict === "unknown") return notFound(productType, productId);
  if (verdict === "short") return insufficientStock([{ productId, onHand, requested: -delta }]);
  return stockLimit(productId, onHand, `${onHand} in stock; ${delta} would lead to more than ${onHandMax}`);
}

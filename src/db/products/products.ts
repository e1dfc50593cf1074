import type { Cursor } from "../cursor.ts";
import { requestIdReused } from "../../errors.ts";
import { expectDistinct, type Outcome } from "../outcome.ts";
import { rowSet } from "../engine/row-set.ts";
import { columns, statement, type Run } from "../engine/statement.ts";
import { toTimestamptz, type Micros } from "../engine/pg-types.ts";

/** Something that can be ordered. `onHand` counts the pieces that no order has reserved. */
export type Product = {
  readonly id: string;
  readonly name: string;
  readonly onHand: bigint;
  readonly version: bigint;
  readonly createTime: Micros;
  readonly updateTime: Micros;
};

/** Where the fields of `Product` are in the table `products`. */
export const productColumns = columns<Product>({
  id: "id",
  name: "name",
  onHand: "on_hand",
  version: "version",
  createTime: "create_time",
  updateTime: "update_time",
});

const selectProducts = statement<Product & { readonly fingerprint: string }>(
  "products.get",
  `select ${productColumns.of("p")}, p.fingerprint from products p where p.id = any($1::uuid[])`,
);

/** Reads products by id, in no order; those that do not exist are missing. */
export function getProducts(
  run: Run,
  ids: readonly string[],
): Promise<(Product & { readonly fingerprint: string })[]> {
  return run(selectProducts, [ids]);
}

const selectPage = statement<Product>(
  "products.list",
  `select ${productColumns.of("p")} from products p where (p.create_time, p.id) < ($1::timestamptz, $2::uuid)
  order by p.create_time desc, p.id desc limit $3::int4`,
);

/** Lists at most `limit` products behind a cursor, newest first. */
export function listProducts(run: Run, after: Cursor, limit: number): Promise<Product[]> {
  return run(selectPage, [toTimestamptz(after.createTime), after.id, limit]);
}

/** A product to be created. The id is derived from the call. */
export type ProductDraft = {
  readonly id: string;
  readonly fingerprint: string;
  readonly name: string;
  readonly onHand: bigint;
};

const sentProducts = rowSet<ProductDraft & { readonly n: number }>({
  n: "n int4",
  id: "id uuid",
  name: "name text",
  onHand: "on_hand int8",
  fingerprint: "fingerprint uuid",
});
const productNames = sentProducts.names.filter((name) => name !== "n").join(", ");

/**
 * The initial stock is the first movement, so that the movements of a product add up to all that ever came
 * in. Products are inserted in the order of their ids, which are all that they wait for. Under read committed
 * one that another attempt has inserted since the snapshot is left as it is; a later statement reads it.
 */
const insertProducts = statement<{ readonly n: number; readonly createTime: Micros | null }>(
  "products.create",
  `with request as (${sentProducts.select("r")}),
  inserted as (
    insert into products (${productNames})
    select ${productNames} from request order by id
    on conflict (id) do nothing
    returning id, on_hand, fingerprint, create_time
  ),
  movement as (
    insert into stock_movements (id, product_id, delta, fingerprint)
    select id, id, on_hand, fingerprint from inserted
  )
  select r.n, i.create_time as "createTime" from request r left join inserted i on i.id = r.id`,
);

/**
 * Creates products; a draft whose id exists is answered with the product as it is now, or "invalid" if it
 * differs.
 */
export async function createProducts(run: Run, drafts: readonly ProductDraft[]): Promise<Outcome<Product>[]> {
  expectDistinct(drafts.map(({ id }) => id));
  const values = sentProducts.values(drafts.map((draft, n) => ({ n, ...draft })));
  const rows = await run(insertProducts, values);
  const createTimes = new Map(rows.map((row) => [row.n, row.createTime]));
  const existing = drafts.filter((_, n) => (createTimes.get(n) ?? null) === null).map((draft) => draft.id);
  const stored = existing.length === 0 ? [] : await getProducts(run, existing);
  return drafts.map(({ id, name, onHand, fingerprint }, n) => {
    const createTime = createTimes.get(n) ?? null;
    if (createTime !== null) return { id, name, onHand, version: 1n, createTime, updateTime: createTime };
    // Products are never deleted: what was in the way is there.
    const { fingerprint: known, ...product } = stored.find((candidate) => candidate.id === id)!;
    return known === fingerprint ? product : requestIdReused();
  });
}

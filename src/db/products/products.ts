import type { Database } from "../engine/database.ts";
import type { Cursor } from "../cursor.ts";
import { expectDistinct, requestIdReused, type Outcome } from "../outcome.ts";
import type { Budget } from "../engine/retry.ts";
import { statement } from "../engine/statement.ts";
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

/** The columns of `products` under the names of `Product`: this is the whole row mapping. */
export const productColumns = `
  p.id, p.name, p.on_hand as "onHand", p.version,
  p.create_time as "createTime", p.update_time as "updateTime"`;

const selectProducts = statement<Product & { readonly fingerprint: string }>(
  "products.get",
  `select ${productColumns}, p.fingerprint from products p where p.id = any($1::uuid[])`,
);

/** Reads products by id, in no order; those that do not exist are missing. */
export function getProducts(
  db: Database,
  budget: Budget,
  ids: readonly string[],
): Promise<(Product & { readonly fingerprint: string })[]> {
  return db.query(selectProducts, [ids], budget);
}

const selectPage = statement<Product>(
  "products.list",
  `select ${productColumns} from products p where (p.create_time, p.id) < ($1::timestamptz, $2::uuid)
  order by p.create_time desc, p.id desc limit $3::int4`,
);

/** Lists at most `limit` products behind a cursor, newest first. */
export function listProducts(db: Database, budget: Budget, after: Cursor, limit: number): Promise<Product[]> {
  return db.query(selectPage, [toTimestamptz(after.createTime), after.id, limit], budget);
}

/** A product to be created. The id is derived from the call. */
export type ProductDraft = {
  readonly id: string;
  readonly fingerprint: string;
  readonly name: string;
  readonly onHand: bigint;
};

/**
 * The initial stock is the first movement, so that the movements of a product add up to all that ever came
 * in.
 */
const insertProducts = statement<{ readonly n: number; readonly createTime: Micros | null }>(
  "products.create",
  `with request as (
    select n, id, name, on_hand, fingerprint
    from unnest($1::int4[], $2::uuid[], $3::text[], $4::int8[], $5::uuid[])
      as r (n, id, name, on_hand, fingerprint)
  ),
  inserted as (
    insert into products (id, name, on_hand, fingerprint)
    select id, name, on_hand, fingerprint from request order by n
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
export async function createProducts(
  db: Database,
  budget: Budget,
  drafts: readonly ProductDraft[],
): Promise<Outcome<Product>[]> {
  expectDistinct(drafts.map(({ id }) => id));
  const values = [
    drafts.map((_, n) => n),
    drafts.map((p) => p.id),
    drafts.map((p) => p.name),
    drafts.map((p) => p.onHand),
    drafts.map((p) => p.fingerprint),
  ];
  const rows = await db.query(insertProducts, values, budget);
  const createTimes = new Map(rows.map((row) => [row.n, row.createTime]));
  const existing = drafts.filter((_, n) => (createTimes.get(n) ?? null) === null).map((draft) => draft.id);
  const stored = existing.length === 0 ? [] : await getProducts(db, budget, existing);
  return drafts.map(({ id, name, onHand, fingerprint }, n) => {
    const createTime = createTimes.get(n) ?? null;
    if (createTime !== null) return { id, name, onHand, version: 1n, createTime, updateTime: createTime };
    // Products are never deleted: what was in the way is there.
    const { fingerprint: known, ...product } = stored.find((candidate) => candidate.id === id)!;
    return known === fingerprint ? product : requestIdReused();
  });
}

import {
  createError,
  DomainError,
  notFound,
  requestIdReused,
  staleEtag,
  unmet,
  userType,
} from "../../errors.ts";
import { toEtag } from "../etag.ts";
import { statusesThat } from "../order-status.ts";
import { statement, type Run } from "../engine/statement.ts";
import { expectOne, type Outcome } from "../outcome.ts";
import { decide, type Refusable, type StoredRefusal, toRefusal } from "../refusals.ts";
import { refuseChanges } from "./refuse-users.ts";
import { getUsers, userColumns, type User, type UserFields } from "./users.ts";
import { keysOf, nth } from "../../lists.ts";

/** A change of a user; what is undefined stays. */
export type UserChange = Refusable & {
  readonly changeId: string;
  readonly userId: string;
  /** The version that the user must still have; undefined: any. */
  readonly version: bigint | undefined;
};

/**
 * The beginning of both changes of a user: whether the call has been made before, the user's row, and the
 * verdict. $1 is the change's id, $2 the user's, $3 the version that it must have. An update locks the user;
 * a deletion records the user's own id as well.
 */
const judgeChange = ({ lock = "", refused = "", alsoRecorded = "" }) => `
  known as (select fingerprint, refusal from user_changes where id = $1::uuid),
  found as (select id, version from users where id = $2::uuid ${lock}),
  candidate as (
    select k.fingerprint, k.refusal, f.version as version_before,
      case when k.fingerprint is not null then 'replayed' when f.id is null then 'unknown'
        when f.version <> $3::int8 then 'stale' ${refused} else 'ok' end as verdict
    from (select 1) one left join known k on true left join found f on true
  ),
  recorded as (
    insert into user_changes (id, user_id, fingerprint)
    select $1::uuid, $2::uuid, $4::uuid from candidate where verdict = 'ok' ${alsoRecorded}
  )`;

type Judged = {
  readonly verdict: "ok" | "replayed" | "unknown" | "stale" | "has_orders" | "too_many_orders";
  readonly fingerprint: string | null;
  readonly refusal: StoredRefusal | null;
  readonly versionBefore: bigint | null;
};

/** New values of a user's fields; what is undefined stays. */
export type UserEdits = { readonly [Field in keyof UserFields]: UserFields[Field] | undefined };

/** Where the fields that can change are stored, all of them as text. Their values are $5 and those behind. */
const editedColumns: { readonly [Field in keyof UserFields]: string } = { email: "email", name: "name" };
const editedFields = keysOf(editedColumns);
const setEdited = editedFields
  .map((field) => editedColumns[field])
  .map((column, n) => `${column} = coalesce($${n + 5}::text, u.${column})`)
  .join(", ");

/**
 * Locks, on PostgreSQL: the user, then the email, then the change's id. Read committed is enough: the
 * version decides as the lock finds it, and what is not changed is what the lock has found. Of an attempt of
 * this call that was committed since the snapshot, the change is met by its id, as in
 * `products.adjust_stock`. Of two that take one email the second fails on its index.
 */
const updateOne = statement<Judged & { readonly [K in keyof User]: User[K] | null }>(
  "users.update",
  `with ${judgeChange({ lock: "for update" })},
  changed as (
    update users u set ${setEdited},
      version = u.version + 1, update_time = greatest(now(), u.update_time)
    from candidate c where u.id = $2::uuid and c.verdict = 'ok'
    returning ${userColumns.of("u")}
  )
  select c.verdict, c.fingerprint, c.refusal, c.version_before as "versionBefore", ${userColumns.again("u")}
  from candidate c left join changed u on true`,
);

/**
 * Changes a user and returns it. Throws "not_found", "aborted", "already_exists", or "invalid" for a reused
 * id.
 */
export async function updateUser(run: Run, change: UserChange & UserEdits): Promise<User> {
  const { changeId, userId, version, fingerprint } = change;
  const edits = editedFields.map((field) => change[field] ?? null);
  const values = [changeId, userId, version ?? null, fingerprint, ...edits];
  const write = async () => nth(await run(updateOne, values), 0);
  return decideChange(
    run,
    change,
    write,
    async ({ verdict, fingerprint: _, refusal: __, versionBefore: ___, ...user }) => {
      if (verdict === "ok") return user as User;
      const [now] = await getUsers(run, [userId]);
      return now ?? notFound(userType, userId);
    },
  );
}

/**
 * What one deletion may take with it; the contract says the same. With the events of the orders its
 * transaction deletes at most some 25,000 rows.
 */
const ordersMax = 1_000;
const itemsMax = 10_000;

/**
 * Reads one order more than may be deleted with the user: without force none may.
 *
 * Locks, on PostgreSQL: orders, then the products of what is returned, each by id, as in `orders.create`, and
 * the user last, by the deletion itself: who places an order has the products when the user is asked for.
 *
 * Repeatable read, because the user's orders are no row that could be locked. Under read committed an order
 * that is placed since the snapshot would be deleted with its user, without force and without a return of its
 * stock: the foreign key deletes whatever there is. Here it fails (40001) on an order that is not in the
 * snapshot or has changed since, and so do the locks of what has changed. That is all that serializable would
 * add, as long as those who place orders are not serializable themselves.
 */
const deleteOne = statement<Judged>(
  "users.delete",
  `with owned as (
    select id, status, reserves_stock, item_count from orders where user_id = $2::uuid limit $6::int4
  ),
  ${judgeChange({
    refused: `when not $5::bool and exists (select 1 from owned) then 'has_orders'
        when (select count(id) > $7::int8 or sum(item_count) > $8::int8 from owned) then 'too_many_orders'`,
    alsoRecorded: "union all select $2::uuid, $2::uuid, $4::uuid from candidate where verdict = 'ok'",
  })},
  locked as (
    select o.id from candidate c join owned w on c.verdict = 'ok' join orders o on o.id = w.id
    order by o.id for update of o
  ),
  returned as (
    select i.product_id, sum(i.quantity)::int8 as quantity
    from locked l join owned o on o.id = l.id and o.reserves_stock
        and o.status in (${statusesThat((is) => is.holdsStock)})
      join order_items i on i.order_id = o.id
    group by i.product_id
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
  forgotten as (
    delete from order_events e using candidate c, owned o where e.order_id = o.id and c.verdict = 'ok'
  ),
  deleted as (
    delete from users u using candidate c
    where u.id = $2::uuid and c.verdict = 'ok' and (select count(id) from held) >= 0
  )
  select verdict, fingerprint, refusal, version_before as "versionBefore" from candidate`,
  { isolation: "repeatable read" },
);

/**
 * Deletes a user, with `force` together with the user's orders, whose reserved stock becomes available again.
 * Throws "not_found", "aborted", "failed_precondition" for orders without force or for too many of them, or
 * "invalid" for a reused id.
 */
export async function deleteUser(run: Run, change: UserChange & { readonly force: boolean }): Promise<void> {
  const { changeId, userId, version, fingerprint, force } = change;
  const read = force ? ordersMax + 1 : 1;
  const values = [changeId, userId, version ?? null, fingerprint, force, read, ordersMax, itemsMax];
  const write = async () => nth(await run(deleteOne, values), 0);
  await decideChange(run, change, write, async () => true);
}

/** Decides a change, answered by `answer` if it has happened, now or before. Throws why it is refused. */
async function decideChange<Row extends Judged, T>(
  run: Run,
  change: UserChange,
  write: () => Promise<Row>,
  answer: (row: Row) => Promise<Outcome<T>>,
): Promise<T> {
  const decided = await decide<UserChange, T>(run, [change], {
    idOf: ({ changeId }) => changeId,
    keep: refuseChanges,
    async write(_, outcomes) {
      const row = await write().catch(expectEmailTaken);
      const refused = row instanceof DomainError ? row : refusalOf(row, change);
      if (refused) return new Map([[0, refused]]);
      const { verdict, refusal, fingerprint } = row as Row;
      if (refusal) outcomes[0] = toRefusal(refusal, change);
      else if (verdict === "replayed" && fingerprint !== change.fingerprint) outcomes[0] = requestIdReused();
      else outcomes[0] = await answer(row as Row);
      return new Map();
    },
  });
  return expectOne(decided);
}

/** The one refusal that a constraint of the table makes. */
function expectEmailTaken(error: unknown): DomainError {
  if (error instanceof DomainError && error.reason === "EMAIL_TAKEN") return error;
  throw error;
}

/** Why a change is refused; undefined if it has happened. */
function refusalOf({ verdict, versionBefore }: Judged, { userId }: UserChange): DomainError | undefined {
  switch (verdict) {
    case "ok":
    case "replayed":
      return undefined;
    case "unknown":
      return notFound(userType, userId);
    case "stale":
      return staleEtag(userType, userId, toEtag(versionBefore!));
    case "has_orders":
      return undeletable("USER_HAS_ORDERS", userId, "has orders", "set force to delete them");
    case "too_many_orders":
      return undeletable(
        "TOO_MANY_ORDERS",
        userId,
        `has more than ${ordersMax} orders, or more than ${itemsMax} items in them`,
        "they are too many to delete at once; orders must be deleted from the database first",
      );
    default:
      return verdict satisfies never;
  }
}

function undeletable(
  reason: "USER_HAS_ORDERS" | "TOO_MANY_ORDERS",
  userId: string,
  why: string,
  advice: string,
): DomainError {
  return createError(reason, `user ${userId} ${why}; ${advice}`, {
    violations: [unmet("ORDERS", userType, userId, `the user ${why}`)],
    metadata: { id: userId },
  });
}

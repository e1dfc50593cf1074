import type { Database } from "./database.ts";
import { DomainError } from "./errors.ts";
import type { Cursor } from "./orders.ts";
import { notFound, requestIdReused, staleEtag, userType, type Outcome } from "./outcome.ts";
import type { Budget } from "./retry.ts";
import { statement } from "./statement.ts";
import { toTimestamptz, type Micros } from "./values.ts";

/** A user as everybody may see him. */
export type User = {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly version: bigint;
  readonly createTime: Micros;
  readonly updateTime: Micros;
};

const userColumns = `
  u.id, u.email, u.name, u.version, u.create_time as "createTime", u.update_time as "updateTime"`;

const selectUsers = statement<User>("users.get", `select ${userColumns} from users u where u.id = any($1::uuid[])`);

/** Reads users by id, in no order; those that do not exist are missing. */
export function getUsers(db: Database, budget: Budget, ids: readonly string[]): Promise<User[]> {
  return db.query(selectUsers, [ids], budget);
}

const selectUsersByEmail = statement<User & { readonly passwordHash: string }>(
  "users.get_by_email",
  `select ${userColumns}, u.password_hash as "passwordHash" from users u where u.email = any($1::text[])`,
);

/** Reads users with their password hashes by canonical email, in no order; those that do not exist are missing. */
export function getUsersByEmail(
  db: Database,
  budget: Budget,
  emails: readonly string[],
): Promise<(User & { readonly passwordHash: string })[]> {
  return db.query(selectUsersByEmail, [emails], budget);
}

const selectPage = statement<User>(
  "users.list",
  `select ${userColumns} from users u where (u.create_time, u.id) < ($1::timestamptz, $2::uuid)
  order by u.create_time desc, u.id desc limit $3::int4`,
);

/** Lists at most `limit` users behind a cursor, newest first. */
export function listUsers(db: Database, budget: Budget, after: Cursor, limit: number): Promise<User[]> {
  return db.query(selectPage, [toTimestamptz(after.createTime), after.id, limit], budget);
}

/** A user to be created. The id is derived from the call; the fingerprint does not cover the password. */
export type UserDraft = {
  readonly id: string;
  readonly fingerprint: string;
  readonly email: string;
  readonly name: string;
  readonly passwordHash: string;
};

type CreatedRow = { readonly n: number; readonly createTime: Micros | null; readonly deleted: boolean };

/** Who was deleted is not created again by a late repetition of the call that made him: his id stays in user_changes. */
const insertUsers = statement<CreatedRow>(
  "users.create",
  `with request as (
    select n, id, email, name, password_hash, fingerprint
    from unnest($1::int4[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[])
      as r (n, id, email, name, password_hash, fingerprint)
  ),
  deleted as (select id from user_changes where id = any($2::uuid[])),
  inserted as (
    insert into users (id, email, name, password_hash, fingerprint)
    select id, email, name, password_hash, fingerprint from request
    where id not in (select id from deleted) order by n
    on conflict do nothing
    returning id, create_time
  )
  select r.n, i.create_time as "createTime", d.id is not null as deleted
  from request r left join inserted i on i.id = r.id left join deleted d on d.id = r.id`,
);

const selectRivals = statement<User & { readonly fingerprint: string }>(
  "users.get_rivals",
  `select ${userColumns}, u.fingerprint from users u where u.id = any($1::uuid[])
  union
  select ${userColumns}, u.fingerprint from users u where u.email = any($2::text[])`,
);

/**
 * Creates users, each or not by itself, and returns an outcome for each in the order given: the user, or why he was
 * refused ("already_exists", or "invalid" for a reused request id). A draft whose id exists is answered with the user
 * as he is now.
 */
export async function createUsers(
  db: Database,
  budget: Budget,
  drafts: readonly UserDraft[],
): Promise<Outcome<User>[]> {
  const first = new Map(drafts.map((draft, n) => [draft.id, n] as const).reverse());
  const outcomes = new Array<Outcome<User> | undefined>(drafts.length);
  for (;;) {
    const open = drafts.map((_, n) => n).filter((n) => outcomes[n] === undefined);
    if (open.length === 0) return outcomes as Outcome<User>[];
    await insertRound(db, budget, drafts, open.filter((n) => first.get(drafts[n]!.id) === n), outcomes);
    const conflicting = open.filter((n) => outcomes[n] === undefined).map((n) => [n, drafts[n]!] as const);
    if (conflicting.length === 0) continue;
    const ids = conflicting.map(([, draft]) => draft.id);
    const emails = conflicting.map(([, draft]) => draft.email);
    const rivals = await db.query(selectRivals, [ids, emails], budget);
    for (const [n, draft] of conflicting) {
      const same = rivals.find((user) => user.id === draft.id);
      if (same) outcomes[n] = same.fingerprint === draft.fingerprint ? withoutFingerprint(same) : requestIdReused();
      else if (rivals.some((user) => user.email === draft.email)) outcomes[n] = emailTaken();
      // Neither: the rival was deleted in between, and the next round meets nobody.
    }
  }
}

async function insertRound(
  db: Database,
  budget: Budget,
  drafts: readonly UserDraft[],
  round: readonly number[],
  outcomes: (Outcome<User> | undefined)[],
): Promise<void> {
  const set = round.map((n) => drafts[n]!);
  const values = [
    round,
    set.map((u) => u.id),
    set.map((u) => u.email),
    set.map((u) => u.name),
    set.map((u) => u.passwordHash),
    set.map((u) => u.fingerprint),
  ];
  for (const { n, createTime, deleted } of await db.query(insertUsers, values, budget)) {
    if (deleted) outcomes[n] = notFound(userType, drafts[n]!.id);
    if (createTime === null) continue;
    const { id, email, name } = drafts[n]!;
    outcomes[n] = { id, email, name, version: 1n, createTime, updateTime: createTime };
  }
}

function withoutFingerprint({ fingerprint: _, ...user }: User & { readonly fingerprint: string }): User {
  return user;
}

function emailTaken(): DomainError {
  return new DomainError("already_exists", "EMAIL_TAKEN", "another user has this email", {
    resource: { type: userType, name: "email" },
  });
}

/** A change of a user; what is undefined stays. */
export type UserChange = {
  readonly changeId: string;
  readonly fingerprint: string;
  readonly userId: string;
  /** The version that the user must still have; undefined: any. */
  readonly version: bigint | undefined;
};

/**
 * The beginning of both changes of a user: whether the call has been made before, the user's row, locked, and the
 * verdict. $1 is the change's id, $2 the user's, $3 the version that he must have. A deletion records the user's own id
 * as well.
 */
const judgeChange = (refused = "", alsoRecorded = "") => `
  known as (select fingerprint from user_changes where id = $1::uuid),
  locked as (select id, version from users where id = $2::uuid for update),
  candidate as (
    select k.fingerprint,
      case when k.fingerprint is not null then 'replayed' when l.id is null then 'unknown'
        when l.version <> $3::int8 then 'stale' ${refused} else 'ok' end as verdict
    from (select 1) one left join known k on true left join locked l on true
  ),
  recorded as (
    insert into user_changes (id, user_id, fingerprint)
    select $1::uuid, $2::uuid, $4::uuid from candidate where verdict = 'ok' ${alsoRecorded}
  )`;

type Judged = {
  readonly verdict: "ok" | "replayed" | "unknown" | "stale" | "has_orders";
  readonly fingerprint: string | null;
};

const updateOne = statement<Judged & { readonly [K in keyof User]: User[K] | null }>(
  "users.update",
  `with ${judgeChange()},
  changed as (
    update users u set email = coalesce($5::text, u.email), name = coalesce($6::text, u.name),
      version = u.version + 1, update_time = now()
    from candidate c where u.id = $2::uuid and c.verdict = 'ok'
    returning ${userColumns}
  )
  select c.verdict, c.fingerprint, u.id, u.email, u.name, u.version, u."createTime", u."updateTime"
  from candidate c left join changed u on true`,
);

/** Changes a user and returns him. Throws "not_found", "aborted", "already_exists", or "invalid" for a reused id. */
export async function updateUser(
  db: Database,
  budget: Budget,
  change: UserChange & { readonly email: string | undefined; readonly name: string | undefined },
): Promise<User> {
  const { changeId, userId, version, fingerprint, email, name } = change;
  const values = [changeId, userId, version ?? null, fingerprint, email ?? null, name ?? null];
  const [row] = await db.query(updateOne, values, budget);
  const { verdict, fingerprint: known, ...user } = row!;
  if (!happened(verdict, known, change)) return user as User;
  const [now] = await getUsers(db, budget, [userId]);
  if (now === undefined) throw notFound(userType, userId);
  return now;
}

const deleteOne = statement<Judged>(
  "users.delete",
  `with owned as (select id from orders where user_id = $2::uuid limit 1),
  ${judgeChange(
    "when not $5::bool and exists (select 1 from owned) then 'has_orders'",
    "union all select $2::uuid, $2::uuid, $4::uuid from candidate where verdict = 'ok'",
  )},
  returned as (
    select product_id, sum(quantity)::int8 as quantity from order_items
    where order_id = any(array(
      select o.id from candidate c join orders o on o.user_id = $2::uuid
      where c.verdict = 'ok' and o.reserves_stock and o.status in ('pending', 'confirmed')
    ))
    group by product_id
  ),
  held as (
    select id from products where id = any(array(select product_id from returned)) order by id for update
  ),
  restocked as (
    update products p set on_hand = p.on_hand + r.quantity, version = p.version + 1, update_time = now()
    from held h join returned r on r.product_id = h.id where p.id = h.id
  ),
  deleted as (
    delete from users u using candidate c where u.id = $2::uuid and c.verdict = 'ok'
  )
  select verdict, fingerprint from candidate`,
);

/**
 * Deletes a user, with `force` together with his orders, whose reserved stock becomes available again. Throws
 * "not_found", "aborted", "failed_precondition" for orders without force, or "invalid" for a reused id.
 */
export async function deleteUser(
  db: Database,
  budget: Budget,
  change: UserChange & { readonly force: boolean },
): Promise<void> {
  const values = [change.changeId, change.userId, change.version ?? null, change.fingerprint, change.force];
  const [row] = await db.query(deleteOne, values, budget);
  happened(row!.verdict, row!.fingerprint, change);
}

/** Whether the call had been made before; throws why it is refused. */
function happened(verdict: Judged["verdict"], known: string | null, { userId, fingerprint }: UserChange): boolean {
  switch (verdict) {
    case "ok":
      return false;
    case "replayed":
      if (known !== fingerprint) throw requestIdReused();
      return true;
    case "unknown":
      throw notFound(userType, userId);
    case "stale":
      throw staleEtag(userType, userId);
    case "has_orders":
      throw new DomainError("failed_precondition", "USER_HAS_ORDERS", `user ${userId} has orders; set force to delete them`, {
        violations: [{ type: "ORDERS", subject: `${userType}/${userId}`, description: "the user has orders" }],
        metadata: { id: userId },
      });
    default:
      return verdict satisfies never;
  }
}

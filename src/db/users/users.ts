import { emailTaken, notFound, requestIdReused, userType } from "../../errors.ts";
import type { Cursor } from "../cursor.ts";
import { expectDistinct, type Outcome } from "../outcome.ts";
import {
  type Mark,
  type Outcomes,
  type Refusable,
  sentMarks,
  type StoredRefusal,
  toMark,
  toRefusal,
} from "../refusals.ts";
import { refuseCreations } from "./refuse-users.ts";
import { rowSet } from "../engine/row-set.ts";
import { columns, statement, type Run } from "../engine/statement.ts";
import { toTimestamptz, type Micros } from "../engine/pg-types.ts";
import { nth, whole } from "../../lists.ts";

/** A user as every caller may see it. */
export type User = {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly version: bigint;
  readonly createTime: Micros;
  readonly updateTime: Micros;
};

/** Where the fields of `User` are in the table `users`. */
export const userColumns = columns<User>({
  id: "id",
  email: "email",
  name: "name",
  version: "version",
  createTime: "create_time",
  updateTime: "update_time",
});

const selectUsers = statement<User>(
  "users.get",
  `select ${userColumns.of("u")} from users u where u.id = any($1::uuid[])`,
);

/** Reads users by id, in no order; those that do not exist are missing. */
export function getUsers(run: Run, ids: readonly string[]): Promise<User[]> {
  return run(selectUsers, [ids]);
}

const selectUsersByEmail = statement<User & { readonly passwordHash: string }>(
  "users.get_by_email",
  `select ${userColumns.of("u")}, u.password_hash as "passwordHash"
  from users u where u.email = any($1::text[])`,
);

/**
 * Reads users with their password hashes by canonical email, in no order; those that do not exist are
 * missing.
 */
export function getUsersByEmail(
  run: Run,
  emails: readonly string[],
): Promise<(User & { readonly passwordHash: string })[]> {
  return run(selectUsersByEmail, [emails]);
}

const selectPage = statement<User>(
  "users.list",
  `select ${userColumns.of("u")} from users u where (u.create_time, u.id) < ($1::timestamptz, $2::uuid)
  order by u.create_time desc, u.id desc limit $3::int4`,
);

/** Lists at most `limit` users behind a cursor, newest first. */
export function listUsers(run: Run, after: Cursor, limit: number): Promise<User[]> {
  return run(selectPage, [toTimestamptz(after.createTime), after.id, limit]);
}

/** What callers say of a user, and may change. */
export type UserFields = Omit<User, "id" | "version" | "createTime" | "updateTime">;

/** A user to be created. The ids are derived from the call; the fingerprint does not cover the password. */
export type UserDraft = UserFields &
  Refusable & {
    readonly id: string;
    /** The row in user_changes that the creation leaves behind, whether it makes a user or not. */
    readonly changeId: string;
    readonly passwordHash: string;
  };

const sentUsers = rowSet<Omit<UserDraft, "refusalMs"> & { readonly n: number }>({
  n: "n int4",
  id: "id uuid",
  changeId: "change_id uuid",
  email: "email text",
  name: "name text",
  passwordHash: "password_hash text",
  fingerprint: "fingerprint uuid",
});
const userNames = sentUsers.names.filter((name) => !["n", "change_id"].includes(name)).join(", ");

type CreatedRow = { readonly n: number; readonly createTime: Micros | null; readonly deleted: boolean };

/**
 * A user is created if the creation can be recorded, which happens once: where the email is taken the record
 * stays without a user, and that is the refusal: no attempt that comes later can make the user then.
 *
 * A deleted user is not created again by a late repetition of the call that created it: its id stays in
 * user_changes. A release that does not record creations may have created it.
 *
 * Waits, on PostgreSQL, for the records by their ids, then for emails in their order. Read committed is
 * enough: of what was committed since the snapshot, both are met by their keys, and nothing is inserted. A
 * later statement reads what was in the way.
 */
const insertUsers = statement<CreatedRow>(
  "users.create",
  `with request as (${sentUsers.select("r")}),
  deleted as (select id from user_changes where id = any(${sentUsers.parameter("id")})),
  recorded as (
    insert into user_changes (id, user_id, fingerprint)
    select change_id, id, fingerprint from request
    where id not in (select id from deleted) order by change_id
    on conflict do nothing
    returning id
  ),
  inserted as (
    insert into users (${userNames})
    select ${userNames} from request where change_id in (select id from recorded) order by email, n
    on conflict do nothing
    returning id, create_time
  )
  select r.n, i.create_time as "createTime", d.id is not null as deleted
  from request r left join inserted i on i.id = r.id left join deleted d on d.id = r.id`,
);

type CreationRow = {
  readonly changeId: string;
  /** The fingerprint of what was recorded, and why it made no user. */
  readonly recorded: string | null;
  readonly refusal: StoredRefusal | null;
  readonly deleted: boolean;
} & ((User & { readonly fingerprint: string }) | { readonly fingerprint: null });

const selectCreations = statement<CreationRow>(
  "users.get_creations",
  `with request as (select id, change_id from unnest($1::uuid[], $2::uuid[]) as r (id, change_id)),
  found as (
    select ${userColumns.of("u")}, u.fingerprint from users u where u.id = any($1::uuid[])
  ),
  change as (
    select id, fingerprint, refusal from user_changes where id = any($1::uuid[] || $2::uuid[])
  )
  select r.change_id as "changeId", ${userColumns.again("u")}, u.fingerprint,
    c.fingerprint as recorded, c.refusal, d.id is not null as deleted
  from request r left join found u on u.id = r.id
    left join change c on c.id = r.change_id left join change d on d.id = r.id`,
);

/**
 * Creates users, each or not by itself, and returns an outcome for each in the order given: the user, or why
 * it was refused ("already_exists", or "invalid" for a reused request id). A draft whose id exists is
 * answered with the user as it is now. Not by `decide`: a record of a creation that has made no user is the
 * refusal already, before its reason is written down.
 */
export async function createUsers(run: Run, drafts: readonly UserDraft[]): Promise<Outcome<User>[]> {
  expectDistinct(drafts.map(({ id }) => id));
  const outcomes: Outcomes<User> = new Array<Outcome<User> | undefined>(drafts.length);
  const isOpen = (n: number): boolean => outcomes[n] === undefined;
  for (let open = drafts.map((_, n) => n); open.length > 0; open = open.filter(isOpen)) {
    await insertRound(run, drafts, open, outcomes);
    const missing = open.filter(isOpen);
    if (missing.length > 0) await findCreations(run, drafts, missing, outcomes);
  }
  return whole(outcomes);
}

async function insertRound(
  run: Run,
  drafts: readonly UserDraft[],
  round: readonly number[],
  outcomes: Outcomes<User>,
): Promise<void> {
  const values = sentUsers.values(round.map((n) => ({ n, ...nth(drafts, n) })));
  for (const { n, createTime, deleted } of await run(insertUsers, values)) {
    if (deleted) outcomes[n] = notFound(userType, nth(drafts, n).id);
    if (createTime === null) continue;
    const { id, email, name } = nth(drafts, n);
    outcomes[n] = { id, email, name, version: 1n, createTime, updateTime: createTime };
  }
}

/** Answers those that were created or refused before, and keeps the refusals of taken emails. */
async function findCreations(
  run: Run,
  drafts: readonly UserDraft[],
  missing: readonly number[],
  outcomes: Outcomes<User>,
): Promise<void> {
  const asked = missing.map((n) => nth(drafts, n));
  const ids = [asked.map(({ id }) => id), asked.map(({ changeId }) => changeId)];
  const rows = new Map((await run(selectCreations, ids)).map((row) => [row.changeId, row]));
  const refused: Mark[] = [];
  for (const n of missing) {
    const draft = nth(drafts, n);
    const { changeId: _, recorded, refusal, deleted, ...found } = rows.get(draft.changeId)!;
    if (found.fingerprint !== null) {
      const { fingerprint, ...user } = found;
      outcomes[n] = fingerprint === draft.fingerprint ? user : requestIdReused();
    } else if (deleted) outcomes[n] = notFound(userType, draft.id);
    else if (refusal) outcomes[n] = toRefusal(refusal, draft);
    // A refusal that has expired since: the next round decides anew.
    else if (recorded === null) continue;
    else if (recorded !== draft.fingerprint) outcomes[n] = requestIdReused();
    else {
      const error = emailTaken();
      outcomes[n] = error;
      refused.push(toMark(draft.changeId, error, draft));
    }
  }
  if (refused.length > 0) await run(refuseCreations, sentMarks.values(refused));
}

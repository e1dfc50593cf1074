import { emailTaken, notFound, requestIdReused, userType } from "../../errors.ts";
import type { Cursor } from "../cursor.ts";
import { expectDistinct, type Outcome } from "../outcome.ts";
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

/** A user to be created. The id is derived from the call; the fingerprint does not cover the password. */
export type UserDraft = UserFields & {
  readonly id: string;
  readonly fingerprint: string;
  readonly passwordHash: string;
};

const sentUsers = rowSet<UserDraft & { readonly n: number }>({
  n: "n int4",
  id: "id uuid",
  email: "email text",
  name: "name text",
  passwordHash: "password_hash text",
  fingerprint: "fingerprint uuid",
});
const userNames = sentUsers.names.filter((name) => name !== "n").join(", ");

type CreatedRow = { readonly n: number; readonly createTime: Micros | null; readonly deleted: boolean };

/**
 * A deleted user is not created again by a late repetition of the call that created it: the id stays in
 * user_changes.
 */
const insertUsers = statement<CreatedRow>(
  "users.create",
  `with request as (${sentUsers.select("r")}),
  deleted as (select id from user_changes where id = any(${sentUsers.parameter("id")})),
  inserted as (
    insert into users (${userNames})
    select ${userNames} from request
    where id not in (select id from deleted) order by n
    on conflict do nothing
    returning id, create_time
  )
  select r.n, i.create_time as "createTime", d.id is not null as deleted
  from request r left join inserted i on i.id = r.id left join deleted d on d.id = r.id`,
);

const selectRivals = statement<User & { readonly fingerprint: string }>(
  "users.get_rivals",
  `select ${userColumns.of("u")}, u.fingerprint from users u where u.id = any($1::uuid[])
  union
  select ${userColumns.of("u")}, u.fingerprint
  from users u where u.email = any($2::text[])`,
);

/**
 * Creates users, each or not by itself, and returns an outcome for each in the order given: the user, or why
 * it was refused ("already_exists", or "invalid" for a reused request id). A draft whose id exists is
 * answered with the user as it is now.
 */
export async function createUsers(run: Run, drafts: readonly UserDraft[]): Promise<Outcome<User>[]> {
  expectDistinct(drafts.map(({ id }) => id));
  const outcomes = new Array<Outcome<User> | undefined>(drafts.length);
  const isOpen = (n: number): boolean => outcomes[n] === undefined;
  for (let open = drafts.map((_, n) => n); open.length > 0; open = open.filter(isOpen)) {
    await insertRound(run, drafts, open, outcomes);
    const conflicting = open.filter(isOpen).map((n) => [n, nth(drafts, n)] as const);
    if (conflicting.length === 0) break;
    const ids = conflicting.map(([, draft]) => draft.id);
    const emails = conflicting.map(([, draft]) => draft.email);
    const rivals = await run(selectRivals, [ids, emails]);
    for (const [n, draft] of conflicting) {
      const same = rivals.find((user) => user.id === draft.id);
      if (same)
        outcomes[n] = same.fingerprint === draft.fingerprint ? withoutFingerprint(same) : requestIdReused();
      else if (rivals.some((user) => user.email === draft.email)) outcomes[n] = emailTaken();
      // Neither: the rival was deleted in between, and the next round meets nobody.
    }
  }
  return whole(outcomes);
}

async function insertRound(
  run: Run,
  drafts: readonly UserDraft[],
  round: readonly number[],
  outcomes: (Outcome<User> | undefined)[],
): Promise<void> {
  const values = sentUsers.values(round.map((n) => ({ n, ...nth(drafts, n) })));
  for (const { n, createTime, deleted } of await run(insertUsers, values)) {
    if (deleted) outcomes[n] = notFound(userType, nth(drafts, n).id);
    if (createTime === null) continue;
    const { id, email, name } = nth(drafts, n);
    outcomes[n] = { id, email, name, version: 1n, createTime, updateTime: createTime };
  }
}

function withoutFingerprint({ fingerprint: _, ...user }: User & { readonly fingerprint: string }): User {
  return user;
}

import { afterAll, expect, test } from "vitest";
import { within } from "../../src/db/engine/database.ts";
import { mutate } from "../../src/db/engine/mutate.ts";
import { createUsers, type UserDraft } from "../../src/db/users/users.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, openDatabase, openProxy, reasonOf } from "../support/pools.ts";
import { userDraft } from "../support/rows.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const draft = (email: string): UserDraft => userDraft({ email });

test("a set that has created a user is in doubt when a later round of it does not come through", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  const rival = draft("rival@example.com");
  await createUsers(within(db, deadline()), [rival]);
  const rounds: string[] = [];
  proxy.decide = ({ statement }) => {
    rounds.push(statement);
    if (rounds.length === 1) return undefined;
    // The rival is gone when it is looked for, and then no round comes through any more.
    if (rounds.length > 2) return { kind: "error", code: "40001" };
    void execute(connection, "delete from users where email = 'rival@example.com'");
    return { kind: "delay", ms: 300 };
  };

  const set = [draft("new@example.com"), draft("rival@example.com")];
  const failed = await reasonOf(mutate(db, deadline(undefined, 1_500), createUsers, set));

  proxy.decide = () => undefined;

  expect(rounds.slice(0, 3)).toEqual(["users.create", "users.get_rivals", "users.create"]);
  expect(failed).toMatchObject({ kind: "outcome_unknown", reason: "COMMIT_OUTCOME_UNKNOWN" });
  expect(await execute(connection, "select email from users")).toEqual([{ email: "new@example.com" }]);
});

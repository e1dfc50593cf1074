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

test("a set that has created a user is in doubt when what follows does not come through", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  const rival = draft("rival@example.com");
  await createUsers(within(db, deadline()), [rival]);
  const statements: string[] = [];
  proxy.decide = ({ statement }) => {
    statements.push(statement);
    // The email is taken, and then the look for the call's own id does not come through any more.
    return statements.length > 1 ? { kind: "error", code: "40001" } : undefined;
  };

  const set = [draft("new@example.com"), draft("rival@example.com")];
  const failed = await reasonOf(mutate(db, deadline(undefined, 1_500), createUsers, set));

  proxy.decide = () => undefined;

  expect(statements.slice(0, 2)).toEqual(["users.create", "users.get_creations"]);
  expect(failed).toMatchObject({ kind: "outcome_unknown", reason: "COMMIT_OUTCOME_UNKNOWN" });
  const stored = await execute(connection, "select email from users where id <> $1", [rival.id]);
  expect(stored).toEqual([{ email: "new@example.com" }]);
});

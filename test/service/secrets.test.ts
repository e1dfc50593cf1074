import { afterAll, expect, test } from "vitest";
import { findSecret, getSecret } from "../../src/db/secrets.ts";
import { createTestDatabase } from "../support/databases.ts";
import { deadline, openDatabase } from "../support/pools.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

test("the key of a name has 32 bytes, and all replicas have the one that was made first", async () => {
  const [one, another] = [openDatabase(connection), openDatabase(connection)];

  const before = await findSecret(one, deadline(), "key");
  const keys = await Promise.all([one, another, one].map((db) => getSecret(db, deadline(), "key")));

  expect(before).toBeUndefined();
  expect(keys[0]).toHaveLength(32);
  expect(keys).toEqual([keys[0], keys[0], keys[0]]);
  expect(await findSecret(another, deadline(), "key")).toEqual(keys[0]);
  expect(await getSecret(one, deadline(), "other")).not.toEqual(keys[0]);
});

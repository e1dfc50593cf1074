import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { execute } from "../support/databases.ts";
import { failure, toFailure } from "../support/errors.ts";
import { openShop, type Shop } from "../support/shop.ts";

async function countUsers(shop: Shop): Promise<number> {
  let count = 0;
  for (let pageToken = ""; ;) {
    const page = await shop.users.listUsers({ pageSize: 1_000, pageToken });
    count += page.users.length;
    pageToken = page.nextPageToken;
    if (pageToken === "") return count;
  }
}

test("CreateUser trims and lowers the email and returns what GetUser and GetUserByEmail return", async () => {
  await using shop = await openShop();

  const { user } = await shop.users.createUser({
    email: " Ada@Example.COM ",
    name: "Ada",
    password: "correct horse",
  });

  expect(user).toMatchObject({ email: "ada@example.com", name: "Ada", etag: '"1"' });
  expect(user!.createTime).toEqual(user!.updateTime);
  expect((await shop.users.getUser({ id: user!.id.toUpperCase() })).user).toEqual(user);
  expect((await shop.users.getUserByEmail({ email: "ADA@example.com" })).user).toEqual(user);
});

test("CreateUser stores an argon2id hash and never the password", async () => {
  await using shop = await openShop();
  const { id } = await shop.user();

  const [row] = await execute<{ hash: string }>(
    shop.connection,
    "select password_hash as hash from users where id = $1",
    [id],
  );

  expect(row!.hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
});

test("CreateUser fails with ALREADY_EXISTS for a taken email, however it is spelled, and stores nothing", async () => {
  await using shop = await openShop();
  const ada = await shop.user();

  const failed = await failure(
    shop.users.createUser({ email: ada.email.toUpperCase(), name: "Eve", password: "other horse" }),
  );

  expect(failed).toMatchObject({ code: "AlreadyExists", reason: "EMAIL_TAKEN" });
  expect(await countUsers(shop)).toBe(1);
});

test("CreateUser called by many at once with one email makes one user and tells the others ALREADY_EXISTS", async () => {
  await using shop = await openShop();
  const request = { email: "ada@example.com", name: "Ada", password: "correct horse" };

  const answers = await Promise.allSettled(Array.from({ length: 8 }, () => shop.users.createUser(request)));

  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const refused = answers.flatMap((answer) =>
    answer.status === "rejected" ? [toFailure(answer.reason)] : [],
  );
  expect(refused.map(({ code }) => code)).toEqual(Array.from({ length: 7 }, () => "AlreadyExists"));
  expect(await countUsers(shop)).toBe(1);
});

test("CreateUser repeated with its request_id returns the user as he is now", async () => {
  await using shop = await openShop();
  const request = {
    email: "ada@example.com",
    name: "Ada",
    password: "correct horse",
    requestId: randomUUID(),
  };
  const { user } = await shop.users.createUser(request);
  const { user: renamed } = await shop.users.updateUser({ user: { id: user!.id, name: "Countess" } });

  const repeated = await shop.users.createUser({
    ...request,
    email: "ADA@example.com",
    password: "another one",
  });

  expect(repeated.user).toEqual(renamed);
});

test("CreateUser fails with INVALID_ARGUMENT for another user under a used request_id", async () => {
  await using shop = await openShop();
  const requestId = randomUUID();
  await shop.users.createUser({
    email: "ada@example.com",
    name: "Ada",
    password: "correct horse",
    requestId,
  });

  const failed = await failure(
    shop.users.createUser({ email: "eve@example.com", name: "Eve", password: "correct horse", requestId }),
  );

  expect(failed).toEqual({ code: "InvalidArgument", reason: "REQUEST_ID_REUSED", fields: ["request_id"] });
  expect(await countUsers(shop)).toBe(1);
});

test("CreateUser repeated after the user was deleted does not create him again", async () => {
  await using shop = await openShop();
  const request = {
    email: "ada@example.com",
    name: "Ada",
    password: "correct horse",
    requestId: randomUUID(),
  };
  const { user } = await shop.users.createUser(request);
  await shop.users.deleteUser({ id: user!.id });

  const failed = await failure(shop.users.createUser(request));

  expect(failed).toMatchObject({ code: "NotFound", resource: `commerce.user.v1.User/${user!.id}` });
  expect(await countUsers(shop)).toBe(0);
});

test("GetUser fails with NOT_FOUND for a user who does not exist", async () => {
  await using shop = await openShop();
  const id = randomUUID();

  const failed = await failure(shop.users.getUser({ id }));

  expect(failed).toEqual({
    code: "NotFound",
    reason: "USER_NOT_FOUND",
    resource: `commerce.user.v1.User/${id}`,
    metadata: { id },
  });
});

test("BatchGetUsers returns users in the order of the ids, repeated ones as well", async () => {
  await using shop = await openShop();
  const users = [await shop.user(), await shop.user(), await shop.user()];
  const ids = [users[2]!.id, users[0]!.id.toUpperCase(), users[2]!.id, users[1]!.id];

  const answer = await shop.users.batchGetUsers({ ids });

  expect(answer.users.map(({ id }) => id)).toEqual(ids.map((id) => id.toLowerCase()));
});

test("BatchGetUsers fails with NOT_FOUND naming those who are missing", async () => {
  await using shop = await openShop();
  const ada = await shop.user();
  const [first, second] = [randomUUID(), randomUUID()];

  const failed = await failure(shop.users.batchGetUsers({ ids: [first, ada.id, second] }));

  expect(failed).toMatchObject({
    code: "NotFound",
    resource: `commerce.user.v1.User/${first}`,
    metadata: { missing: `${first},${second}` },
  });
});

test("BatchGetUsers names 20 of those who are missing at most", async () => {
  await using shop = await openShop();
  const ids = Array.from({ length: 30 }, () => randomUUID());

  const failed = await failure(shop.users.batchGetUsers({ ids }));

  expect(failed.metadata).toEqual({ missing: ids.slice(0, 20).join(",") });
});

test("ListUsers returns each user once, newest first, in pages", async () => {
  await using shop = await openShop();
  const made = [];
  for (let n = 0; n < 5; n++) made.push((await shop.user()).id);

  const first = await shop.users.listUsers({ pageSize: 2 });
  const second = await shop.users.listUsers({ pageSize: 2, pageToken: first.nextPageToken });
  const third = await shop.users.listUsers({ pageSize: 2, pageToken: second.nextPageToken });

  expect([first, second, third].map(({ users }) => users.map(({ id }) => id))).toEqual([
    [made[4], made[3]],
    [made[2], made[1]],
    [made[0]],
  ]);
  expect(third.nextPageToken).toBe("");
});

test("AuthenticateUser returns the user for his password and UNAUTHENTICATED for everybody else", async () => {
  await using shop = await openShop();
  const ada = await shop.user();

  const known = await shop.users.authenticateUser({ email: ada.email, password: "correct horse" });
  const wrong = await failure(shop.users.authenticateUser({ email: ada.email, password: "wrong horse" }));
  const unknown = await failure(
    shop.users.authenticateUser({ email: "eve@example.com", password: "wrong horse" }),
  );

  expect(known.user).toEqual(ada);
  expect(wrong).toEqual({ code: "Unauthenticated", reason: "INVALID_CREDENTIALS" });
  expect(unknown).toEqual(wrong);
});

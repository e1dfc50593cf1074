import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { afterAll, expect, inject, test } from "vitest";
import { services } from "../../src/bindings.ts";
import { createDatabase } from "../../src/db/engine/database.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { ReadConsistency } from "../../src/gen/commerce/read/v1/read_consistency_pb.ts";
import { startServer } from "../../src/server.ts";
import { failureOf } from "../support/embedded.ts";
import { failure } from "../support/errors.ts";
import { countConnections } from "../support/metrics.ts";
import { deadline, limits, openProxy, reasonOf } from "../support/pools.ts";
import { startProxy } from "../support/proxy.ts";
import { createRequests } from "../support/requests.ts";
import { openShop } from "../support/shop.ts";

const { STALE, STRONG } = ReadConsistency;
const { engine } = inject("engine");

/** The service reaches its database through one proxy, and through another one a replica: the same server. */
const base = await openShop({}, { through: startProxy });
const replica = await startProxy(base.connection);
const shop = await openShop({
  database: { kind: "remote", connection: base.proxy.connection, engine, replica: replica.connection },
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
  await base[Symbol.asyncDispose]();
});
const { callWith } = await createRequests(shop);

const reading = services.flatMap((service) =>
  service.methods.filter(
    ({ proto }) => proto.options?.idempotencyLevel === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
  ),
);

/** The statements that a call has sent to the database, and to the replica. */
async function statementsOf(
  call: () => Promise<unknown>,
): Promise<{ database: string[]; replica: string[] }> {
  const seen = { database: [] as string[], replica: [] as string[] };
  // Readiness is looked at every two seconds, whoever calls.
  const isOurs = (name: string): boolean => !["readiness.echo", "migrations.list"].includes(name);
  base.proxy.decide = (each) => void (isOurs(each.statement) && seen.database.push(each.statement));
  replica.decide = (each) => void seen.replica.push(each.statement);
  await call();
  base.proxy.decide = replica.decide = () => undefined;
  return seen;
}

test("nothing is connected for stale reads before there is one", async () => {
  const before = await countConnections(shop, undefined, "stale");
  await callWith("GetUser", "read_consistency", STALE);

  expect(before).toBe(0);
  expect(await countConnections(shop, undefined, "stale")).toBe(1);
});

test("each method that only reads says how new its answer must be", () => {
  const without = reading.filter(({ input }) => input.field["readConsistency"] === undefined);

  expect(without.map(({ name }) => name)).toEqual([]);
  expect(reading.length).toBeGreaterThan(0);
});

test.each(reading.map(({ name }) => name))("%s reads where it is asked to", async (name) => {
  const answers: unknown[] = [];
  const read = (consistency: ReadConsistency | undefined) =>
    statementsOf(async () => answers.push(await callWith(name, "read_consistency", consistency)));

  const strong = await read(STRONG);
  const usual = await read(undefined);
  const stale = await read(STALE);

  expect(stale).toEqual({ database: [], replica: strong.database });
  expect(usual).toEqual(strong);
  expect(strong).toEqual({ database: [expect.any(String)], replica: [] });
  expect(answers).toEqual([answers[0], answers[0], answers[0]]);
});

test("calls that ask for different things share no round trip", async () => {
  const { id } = await shop.user();
  const all = [STALE, STRONG, STALE, STRONG].map((readConsistency) => ({ id, readConsistency }));

  const seen = await statementsOf(() => Promise.all(all.map((request) => shop.users.getUser(request))));

  expect(seen).toEqual({ database: ["users.get"], replica: ["users.get"] });
});

test("a list is gone on with whatever its first page has asked for", async () => {
  const first = await shop.users.listUsers({ pageSize: 1, readConsistency: STRONG });
  const pageToken = first.nextPageToken;

  const next = await Promise.all(
    [STRONG, STALE].map((readConsistency) =>
      shop.users.listUsers({ pageSize: 1, pageToken, readConsistency }),
    ),
  );

  expect(next[0]!.users).toHaveLength(1);
  expect(next[1]).toEqual(next[0]);
});

test("a consistency that the contract does not have is refused", async () => {
  expect(await failure(callWith("GetUser", "read_consistency", 3))).toMatchObject({
    code: "InvalidArgument",
    fields: ["read_consistency"],
  });
});

test("without a replica of PostgreSQL a stale read is an ordinary one", async ({ skip }) => {
  skip(engine === "cockroachdb", "it reads its nearest copies");
  const user = await base.user();

  const answer = await base.users.getUser({ id: user.id, readConsistency: STALE });

  expect(answer.user).toEqual(user);
  expect(await countConnections(base, undefined, "stale")).toBeUndefined();
});

/** The settings of stale sessions, and what those of other calls have. */
const settings = {
  postgresql: {
    default_transaction_read_only: ["on", "off"],
    default_transaction_isolation: ["repeatable read", "read committed"],
  },
  cockroachdb: {
    default_transaction_read_only: ["on", "off"],
    default_transaction_use_follower_reads: ["on", "off"],
    default_transaction_isolation: ["serializable", "serializable"],
  },
}[engine];

const names = Object.keys(settings);
const selectSettings = statement<Record<string, string>>(
  "test.stale_settings",
  `select ${names.map((name) => `current_setting('${name}') as ${name}`).join(", ")}`,
);

test.each([
  ["stale reads", true, 0],
  ["other calls", false, 1],
] as const)("sessions of %s have settings of their own", async (_, isStale, at) => {
  await using db = createDatabase(base.connection, engine, limits, { isStale });

  const [row] = await db.query(selectSettings, [], deadline());

  expect(row).toEqual(Object.fromEntries(Object.entries(settings).map(([name, each]) => [name, each[at]])));
});

const insertSecret = statement(
  "test.stale_write",
  "insert into secrets (name, value) values ('test', 'test')",
);

test("nothing is written where stale reads go", async () => {
  await using db = createDatabase(base.connection, engine, limits, { isStale: true });

  const reason = await reasonOf(db.query(insertSecret, [], { ...deadline(), attemptsMax: 1 }));

  expect(reason).toMatchObject({ reason: "DATABASE_READ_ONLY" });
});

test("a start that does not reach the replica says so", async () => {
  const dead = { ...base.connection, host: "127.0.0.1", port: 1 };
  const database = { kind: "remote", connection: base.connection, engine, replica: dead } as const;

  expect(await failureOf(startServer({ ...base.config, database }))).toBe(
    "the database at 127.0.0.1:1 cannot be reached: nothing listens there (ECONNREFUSED)",
  );
});

test("a replica that is away costs the other calls nothing", async () => {
  const proxy = await openProxy(base.connection);
  const database = {
    kind: "remote",
    connection: base.connection,
    engine,
    replica: proxy.connection,
  } as const;
  await using own = await openShop({ database });
  const { id } = await own.user();
  proxy.refuse("refuse");

  const stale = await failure(own.users.getUser({ id, readConsistency: STALE }, { timeoutMs: 1_000 }));

  expect(stale.code).toMatch(/Unavailable|DeadlineExceeded/);
  expect((await own.users.getUser({ id })).user?.id).toBe(id);
});

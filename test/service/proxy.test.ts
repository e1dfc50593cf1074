import { once } from "node:events";
import type { Socket } from "node:net";
import type pg from "pg";
import { afterAll, expect, test } from "vitest";
import { cancel } from "../../src/db/engine/cancel-request.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { mark, open, settle, untilEnd } from "../support/proxied.ts";
import { startProxy, type Exchange, type Fault, type Proxy } from "../support/proxy.ts";

const database = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());
await execute(database.connection, "create table marks (name text primary key)");

type Proxied = AsyncDisposable & { readonly proxy: Proxy; readonly client: pg.Client };

/** A client through a proxy that does `fault` to the statements of a name or a text. */
async function connect(statement = "", fault?: Fault): Promise<Proxied> {
  const proxy = await startProxy(database.connection, (exchange) =>
    exchange.statement === statement ? fault : undefined,
  );
  return { proxy, client: await open(proxy), [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

async function isMarked(name: string): Promise<boolean> {
  return (await execute(database.connection, "select from marks where name = $1", [name])).length > 0;
}

test("an exchange is a prepared statement by its name, and any other one by its text", async () => {
  await using proxied = await connect();
  const exchanges: Exchange[] = [];
  proxied.proxy.decide = (exchange) => void exchanges.push(exchange);
  const second = await open(proxied.proxy);

  await proxied.client.query("begin");
  await mark(proxied.client, "seen");
  await proxied.client.query("select $1::text", ["a"]);
  await second.query("select 1");

  expect(exchanges).toEqual([
    { connection: 1, statement: "begin" },
    { connection: 1, statement: "mark" },
    { connection: 1, statement: "select $1::text" },
    { connection: 2, statement: "select 1" },
  ]);
});

test.each<[Fault, { seen: string; done: boolean; goesOn: boolean }]>([
  [{ kind: "cut_before" }, { seen: "ECONNRESET", done: false, goesOn: false }],
  [{ kind: "drop_answer" }, { seen: "ECONNRESET", done: true, goesOn: false }],
  [
    { kind: "error", code: "40001" },
    { seen: "40001", done: false, goesOn: true },
  ],
  [
    { kind: "error", code: "57P01" },
    { seen: "57P01", done: false, goesOn: false },
  ],
  [
    { kind: "error_after", code: "40003" },
    { seen: "40003", done: true, goesOn: true },
  ],
  [
    { kind: "delay", ms: 1 },
    { seen: "ok", done: true, goesOn: true },
  ],
])("$0 of a statement", async (fault, expected) => {
  await using proxied = await connect("mark", fault);
  const name = JSON.stringify(fault);

  const seen = await mark(proxied.client, name);
  proxied.proxy.decide = () => undefined;
  const done = await isMarked(name);
  const goesOn = (await mark(proxied.client, `${name} again`)) === "ok";

  expect({ seen, done, goesOn }).toEqual(expected);
  expect([...proxied.proxy.injected]).toEqual([[fault.kind, 1]]);
});

test("cut_after resets the client, whatever becomes of the statement", async () => {
  await using proxied = await connect("mark", { kind: "cut_after" });

  const seen = await mark(proxied.client, "cut after");

  expect(seen).toBe("ECONNRESET");
});

test("late resets the client at once, and the statement happens later", async () => {
  await using proxied = await connect("mark", { kind: "late", ms: 200 });

  const seen = await mark(proxied.client, "late");
  const doneAtOnce = await isMarked("late");

  expect([seen, doneAtOnce]).toEqual(["ECONNRESET", false]);
  await expect.poll(() => isMarked("late")).toBe(true);
});

test("hang carries the statement, and neither an answer nor an end comes back", async () => {
  await using proxied = await connect("mark", { kind: "hang" });

  const answer = mark(proxied.client, "hang");

  await expect.poll(() => isMarked("hang")).toBe(true);
  expect(await Promise.race([answer, Promise.resolve("no answer")])).toBe("no answer");
});

test("half_open carries nothing any more, and other connections work", async () => {
  await using proxied = await connect("mark", { kind: "half_open" });

  const answer = mark(proxied.client, "half open");
  await expect.poll(() => proxied.proxy.injected.get("half_open")).toBe(1);
  proxied.proxy.decide = () => undefined;
  await mark(await open(proxied.proxy), "beside half open");

  expect(await Promise.race([answer, Promise.resolve("no answer")])).toBe("no answer");
  expect([await isMarked("half open"), await isMarked("beside half open")]).toEqual([false, true]);
});

test("an error inside a transaction fails it, on both sides", async () => {
  await using proxied = await connect("mark", { kind: "error", code: "40001" });
  await proxied.client.query("begin");
  await proxied.client.query("insert into marks (name) values ('before the error')");

  const seen = await mark(proxied.client, "error inside");
  const failed = proxied.client.getTransactionStatus();
  const { command } = await proxied.client.query("rollback");

  expect([seen, failed, command]).toEqual(["40001", "E", "ROLLBACK"]);
  expect(proxied.client.getTransactionStatus()).toBe("I");
  expect(await isMarked("before the error")).toBe(false);
});

test("an error at commit leaves no transaction and no effect", async () => {
  await using proxied = await connect("commit", { kind: "error", code: "40001" });
  await proxied.client.query("begin");
  await mark(proxied.client, "error at commit");

  const seen = await settle(proxied.client.query("commit"));

  expect([seen, proxied.client.getTransactionStatus()]).toEqual(["40001", "I"]);
  expect(await isMarked("error at commit")).toBe(false);
});

test("endIdle ends idle connections by 57P01, and those in a transaction go on", async () => {
  await using proxied = await connect();
  const working = await open(proxied.proxy);
  await working.query("begin");
  const error = once(proxied.client, "error");
  const ended = untilEnd(proxied.client);

  proxied.proxy.endIdle();

  expect(await error).toEqual([expect.objectContaining({ code: "57P01" })]);
  await ended;
  expect(await settle(working.query("commit"))).toBe("ok");
});

test.each([
  ["refuse", "ECONNRESET"],
  ["too_many_connections", "53300"],
] as const)("while it is told to %s, a new connection fails with %s", async (mode, code) => {
  await using proxied = await connect();

  proxied.proxy.refuse(mode);
  const refused = await settle(open(proxied.proxy));
  proxied.proxy.refuse(undefined);
  const opened = await settle(open(proxied.proxy));

  expect([refused, opened]).toEqual([code, "ok"]);
});

test("slice carries each byte by itself, and all of them", async () => {
  await using proxied = await connect();
  const text = "grüße ".repeat(50);
  const lengths = new Set<number>();
  const { connection } = proxied.client as unknown as { connection: { stream: Socket } };
  connection.stream.on("data", (chunk: Buffer) => lengths.add(chunk.length));

  proxied.proxy.slice(true);
  const { rows } = await proxied.client.query("select $1::text as text", [text]);

  expect(rows).toEqual([{ text }]);
  // On a busy machine some arrive together, but no message arrives whole: the shortest has five bytes.
  expect(Math.max(...lengths)).toBeLessThan(5);
});

test("a cancellation reaches the server", async () => {
  await using proxied = await connect("select pg_sleep(10)", { kind: "delay", ms: 0 });
  const sleeping = settle(proxied.client.query("select pg_sleep(10)"));
  await expect.poll(() => proxied.proxy.injected.get("delay")).toBe(1);

  // One that arrives before the statement does is lost.
  await expect
    .poll(async () => {
      await cancel(proxied.proxy.connection, proxied.client as unknown as pg.PoolClient);
      return Promise.race([sleeping, Promise.resolve("still sleeping")]);
    })
    .toBe("57014");
});

test("new connections lead to another server once it is told so", async () => {
  await using other = await createTestDatabase();
  await using aside = await startProxy(other.connection);
  await using proxied = await connect();

  proxied.proxy.upstream = aside.connection;
  aside.decide = () => ({ kind: "error", code: "40001" });
  const before = await settle(proxied.client.query("select 1"));
  const after = await settle((await open(proxied.proxy)).query("select 1"));

  expect([before, after]).toEqual(["ok", "40001"]);
});

test("disposal ends every connection and hears of no new one", async () => {
  const { proxy, client } = await connect("mark", { kind: "hang" });
  const idle = await open(proxy);
  const ended = Promise.all([untilEnd(client), untilEnd(idle)]);
  void mark(client, "never answered");

  await proxy[Symbol.asyncDispose]();

  await ended;
  expect(await settle(open(proxy))).toBe("ECONNREFUSED");
});

test("of a client that has died the server gets what was sent, and no new connection", async () => {
  await using proxied = await connect("mark", { kind: "delay", ms: 100 });

  const writing = [mark(proxied.client, "sent before the death"), untilEnd(proxied.client)];
  await expect.poll(() => proxied.proxy.injected.get("delay")).toBe(1);
  proxied.proxy.killClient(0);
  await Promise.all(writing);

  await expect(open(proxied.proxy)).rejects.toThrow("ECONNRESET");
  await expect.poll(() => isMarked("sent before the death")).toBe(true);
});

test("a statement that has left is taken back by no reset", async () => {
  const [arrives, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { promise: until } = arrives;
  await using proxied = await connect("mark", { kind: "stall", until, hasLeft: true, over: over.resolve });

  void mark(proxied.client, "has left");
  await expect.poll(() => proxied.proxy.injected.get("stall")).toBe(1);
  (proxied.client as unknown as { connection: { stream: Socket } }).connection.stream.resetAndDestroy();
  arrives.resolve();
  await over.promise;

  expect(await isMarked("has left")).toBe(true);
});

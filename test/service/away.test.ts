import { randomUUID } from "node:crypto";
import { afterEach, afterAll, expect, test, vi } from "vitest";
import { ReadConsistency } from "../../src/gen/commerce/read/v1/read_consistency_pb.ts";
import { failure } from "../support/errors.ts";
import { execute } from "../support/databases.ts";
import { countConnections } from "../support/metrics.ts";
import { once, startProxy } from "../support/proxy.ts";
import { line, openShop } from "../support/shop.ts";

const shop = await openShop({}, { through: startProxy });
afterAll(() => shop[Symbol.asyncDispose]());
const { orders, inventory, proxy } = shop;
const ada = await shop.user();

type Ready = { readonly ready: boolean; readonly reason?: string };

async function readiness(): Promise<Ready> {
  const answer = await fetch(`http://127.0.0.1:${shop.server.admin.port}/readyz`);
  return (await answer.json()) as Ready;
}

function untilReady(ready: boolean): Promise<Ready> {
  return vi.waitUntil(
    async () => {
      const now = await readiness();
      return now.ready === ready && now;
    },
    { timeout: 10_000 },
  );
}

afterEach(async () => {
  proxy.decide = () => undefined;
  proxy.refuse(undefined);
  await untilReady(true);
});

const place = async () =>
  orders.createOrder(
    { userId: ada.id, items: [line(await product)], requestId: randomUUID() },
    { timeoutMs: 10_000 },
  );
const product = shop.product(1_000n);

test.each(["refuse", "silence"] as const)(
  "while the database is known to be away (%s) calls fail at once, and succeed as soon as it is back",
  async (mode) => {
    await place();
    proxy.refuse(mode);
    proxy.decide = () => ({ kind: "half_open" });
    const { reason } = await untilReady(false);

    const since = performance.now();
    const { id } = await product;
    const [read, stale, write] = await Promise.all([
      failure(inventory.getProduct({ id })),
      failure(inventory.getProduct({ id, readConsistency: ReadConsistency.STALE })),
      failure(place()),
    ]);
    const elapsedMs = performance.now() - since;
    proxy.decide = () => undefined;
    proxy.refuse(undefined);
    // Making a connection may take longer on a busy machine than a call waits for a database that is away.
    const { order } = await vi.waitFor(() => place(), { timeout: 10_000 });

    expect(reason).toMatch(/^the database (does not answer|cannot be reached)/);
    const away = { code: "Unavailable", reason: "DATABASE_UNAVAILABLE", retry: true };
    expect([read, stale, write]).toEqual([away, away, away]);
    // Their deadlines are fifteen and ten seconds.
    expect(elapsedMs).toBeLessThan(2_000);
    expect(order!.itemCount).toBe(1);
  },
);

test("a statement that somebody else has cancelled is run again, and counted", async () => {
  proxy.decide = once("orders.create", { kind: "error", code: "57014" });

  const { order } = await place();

  expect(order!.itemCount).toBe(1);
  const metrics = await (await fetch(`http://127.0.0.1:${shop.server.admin.port}/metrics`)).text();
  expect(metrics).toMatch(/^db_client_retries_total\{disposition="\w+",error_type="57014"\} 1$/m);
});

test("a full disk is told as overload, and not as ready", async () => {
  proxy.decide = ({ statement }) =>
    statement === "orders.create" ? { kind: "error", code: "53100" } : undefined;

  const [failed, { reason }] = await Promise.all([failure(place()), untilReady(false)]);

  expect(failed).toEqual({ code: "ResourceExhausted", reason: "DATABASE_OVERLOADED", retry: true });
  expect(reason).toBe("the database's disk is full");
});

test("a database that takes no writes is told as such, and not as ready", async () => {
  const alter = `alter role ${shop.connection.user} in database ${shop.connection.database}`;
  await execute(shop.connection, `${alter} set default_transaction_read_only = on`);
  proxy.endIdle();

  const { reason } = await untilReady(false);
  const failed = await failure(place());
  const read = await inventory.getProduct({ id: (await product).id });
  await execute(shop.connection, `begin read write; ${alter} reset default_transaction_read_only; commit`);
  proxy.endIdle();
  await untilReady(true);
  const { order } = await place();

  expect(reason).toBe("the database takes no writes: is it a standby?");
  expect(failed).toMatchObject({ reason: "DATABASE_READ_ONLY", retry: true });
  expect(read.product!.id).toBe((await product).id);
  expect(order!.itemCount).toBe(1);
});

test("what the engine does not support is asked for once more, on a new connection, and is INTERNAL then", async () => {
  // Its connection has the statement prepared, and is the next one to be used.
  await place();
  const asked: number[] = [];
  proxy.decide = ({ statement, connection }) => {
    if (statement !== "orders.create") return undefined;
    asked.push(connection);
    return { kind: "error", code: "0A000" };
  };

  const failed = await failure(place());

  expect(failed).toMatchObject({ code: "Internal", reason: "INTERNAL" });
  expect(new Set(asked).size).toBe(2);
  expect(asked).toHaveLength(2);
});

test("plans that change while they are made again cost no call its answer", async () => {
  await Promise.all(Array.from({ length: 4 }, () => place()));
  // Each connection is told so once it has the statement prepared: a table changes again and again.
  const prepared = new Set<number>();
  let stale = 0;
  proxy.decide = ({ statement, connection }) => {
    if (statement !== "orders.create" || stale === 5) return undefined;
    if (!prepared.has(connection) && stale > 0) return void prepared.add(connection);
    stale += 1;
    return { kind: "error", code: "0A000" };
  };

  const placed = await Promise.all(Array.from({ length: 6 }, () => place()));

  expect(placed.map(({ order }) => order!.itemCount)).toEqual(placed.map(() => 1));
});

test("plans that no longer fit on any connection cost a call one more attempt", async () => {
  // Several connections, each of which has the statement prepared.
  await Promise.all(Array.from({ length: 8 }, () => place()));
  const stale = new Set<number>();
  const newest = { connection: 0 };
  proxy.decide = ({ connection }) => void (newest.connection = Math.max(newest.connection, connection));
  await place();
  const { connection: last } = newest;
  proxy.decide = ({ statement, connection }) => {
    if (statement !== "orders.create" || connection > last) return undefined;
    stale.add(connection);
    return { kind: "error", code: "0A000" };
  };

  const { order } = await place();

  expect(order!.itemCount).toBe(1);
  expect(stale.size).toBe(1);
});

test("what was sent on a connection that was given up never reaches the database", async () => {
  await using own = await openShop({}, { through: startProxy });
  const [healed, eve, scarce] = [Promise.withResolvers<void>(), await own.user(), await own.product(1n)];
  const count = async (text: string): Promise<number> => (await execute(own.connection, text)).length;
  const sessions = `select from pg_stat_activity
    where datname = current_database() and application_name like 'commerce-core%'`;
  own.proxy.refuse("refuse");
  own.proxy.decide = ({ statement }) =>
    statement === "orders.create" ? { kind: "stall", until: healed.promise } : { kind: "cut_before" };

  const order = { userId: eve.id, items: [line(scarce)], requestId: randomUUID() };
  const left = await failure(own.orders.createOrder(order, { timeoutMs: 300 }));
  await expect.poll(() => countConnections(own, "used")).toBe(0);
  healed.resolve();
  const sessionsLeft = (): Promise<number> => {
    own.proxy.endIdle();
    return count(sessions);
  };
  await expect.poll(sessionsLeft).toBe(0);

  expect(left.code).toBe("DeadlineExceeded");
  expect(await count("select from orders")).toBe(0);
});

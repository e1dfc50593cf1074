import { afterAll, expect, test } from "vitest";
import type { Connection } from "../../src/config.ts";
import { connect } from "../../src/db/engine/connection.ts";
import { reachDatabase } from "../../src/db/engine/reach.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase } from "../support/databases.ts";
import { failureOf } from "../support/embedded.ts";
import { deadline, openDatabase, openProxy } from "../support/pools.ts";
import type { Proxy } from "../support/proxy.ts";

const { connection, engine, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const sleep = statement("test.sleep_at_host", "select pg_sleep(0.2)");

/** A connection with three hosts, each of which is a proxy. */
async function openHosts() {
  const proxies = await Promise.all([1, 2, 3].map(() => openProxy(connection)));
  const [first, ...others] = proxies.map((proxy) => proxy.connection) as [Connection, ...Connection[]];
  const otherHosts = others.map(({ host, port }) => ({ host, port }));
  return { proxies, hosts: { ...first, otherHosts } };
}

/** Counts the exchanges with a statement at each of the hosts. */
function count(proxies: readonly Proxy[], name: string): number[] {
  const counts = proxies.map(() => 0);
  for (const [n, proxy] of proxies.entries())
    proxy.decide = ({ statement: own }) => void (own === name && counts[n]!++);
  return counts;
}

test("connections of the pool are made to one host after the other", async () => {
  const { proxies, hosts } = await openHosts();
  const counts = count(proxies, sleep.name);
  const db = openDatabase(hosts, { connsMax: 6 });

  await Promise.all(Array.from({ length: 6 }, () => db.query(sleep, [], deadline())));

  expect(counts).toEqual([2, 2, 2]);
});

test("a host that is away costs no call its answer", async () => {
  const { proxies, hosts } = await openHosts();
  proxies[1]!.refuse("refuse");
  const counts = count(proxies, sleep.name);
  const db = openDatabase(hosts, { connsMax: 6 });

  await Promise.all(Array.from({ length: 6 }, () => db.query(sleep, [], deadline())));

  expect([counts[0]! + counts[2]!, counts[1]]).toEqual([6, 0]);
});

test("a start needs one of the hosts", async () => {
  const { proxies, hosts } = await openHosts();
  for (const proxy of proxies.slice(1)) proxy.refuse("refuse");

  expect(await reachDatabase(hosts)).toMatchObject({ engine });
  const client = await connect(hosts, { purpose: "test" });
  await client.end();
});

test("a start that reaches none of the hosts names them all", async () => {
  const { hosts } = await openHosts();
  const ports = [1, 2, 3];
  const otherHosts = ports.slice(1).map((port) => ({ host: "127.0.0.1", port }));

  const failure = await failureOf(reachDatabase({ ...hosts, port: ports[0]!, otherHosts }));

  expect(failure).toBe(
    "the database at 127.0.0.1:1,127.0.0.1:2,127.0.0.1:3 cannot be reached: " +
      "nothing listens there (ECONNREFUSED)",
  );
});

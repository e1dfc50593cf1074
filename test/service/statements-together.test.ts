import { afterAll, expect, test } from "vitest";
import { createReads } from "../../src/db/batchers.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { settle } from "../support/batchers.ts";
import { createTestDatabase } from "../support/databases.ts";
import { deadline, openDatabase, openProxy, reasonOf } from "../support/pools.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const series = statement<{ n: number }>(
  "test.series",
  "select n::int4 as n from generate_series(1, $1::int4) n",
);
const share = statement<{ share: number; of: string }>(
  "test.share",
  "select (60 / $1::int4)::int4 as share, $2::text as of",
);

const sixtyBy = (divisor: number) => ({ statement: share, values: [divisor, "sixty"] });
const upTo = (last: number) => ({ statement: series, values: [last] });
const numbers = (last: number) => Array.from({ length: last }, (_, n) => ({ n: n + 1 }));

test("statements that share a round trip answer each with its own rows, prepared or not", async () => {
  const db = openDatabase(connection, { connsMax: 1 });
  const reads = [upTo(2), sixtyBy(3), upTo(0), upTo(3), sixtyBy(4)];
  const expected = [numbers(2), [{ share: 20, of: "sixty" }], [], numbers(3), [{ share: 15, of: "sixty" }]];

  expect(await db.queryAll(reads, deadline())).toEqual(expected);
  expect(await db.queryAll(reads, deadline())).toEqual(expected);
});

test("a statement that fails ends those that share its round trip, and leaves their connection sound", async () => {
  const db = openDatabase(connection, { connsMax: 1 });

  const failed = await reasonOf(db.queryAll([upTo(1), sixtyBy(0), sixtyBy(1), upTo(2)], deadline()));

  expect(failed).toMatchObject({ code: "22012" });
  // What was prepared before the failure is known to be, what stood behind it is not.
  expect(await db.queryAll([upTo(1), sixtyBy(2)], deadline())).toEqual([
    numbers(1),
    [{ share: 30, of: "sixty" }],
  ]);
  expect(db.stats()).toMatchObject({ total: 1, idle: 1 });
});

test("a connection that breaks is followed by another one, and the statements run again", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  let faults = 0;
  proxy.decide = () => (faults++ === 0 ? { kind: "cut_after" } : undefined);

  expect(await db.queryAll([upTo(1), sixtyBy(1)], deadline())).toEqual([
    numbers(1),
    [{ share: 60, of: "sixty" }],
  ]);
});

test("a read that fails by itself fails its own caller alone", async () => {
  const reads = createReads(openDatabase(connection), { coalesce: true });
  const ask = (divisor: number) => reads.run(deadline(), 1)(share, [divisor, "sixty"]);

  const answers = await Promise.all([ask(1), reasonOf(ask(0)), ask(2)]);

  expect(answers).toEqual([
    [{ share: 60, of: "sixty" }],
    expect.objectContaining({ code: "22012" }),
    [{ share: 30, of: "sixty" }],
  ]);
});

test("a caller that leaves does not end the reads that share its round trip", async () => {
  const reads = createReads(openDatabase(connection), { coalesce: true });
  const leaver = new AbortController();
  const slow = statement<{ n: number }>("test.slow", "select 1::int4 as n from pg_sleep(0.2)");
  const left = reasonOf(reads.run(deadline(leaver.signal), 1)(slow, []));
  const staying = reads.run(deadline(), 1)(slow, []);
  await settle();

  leaver.abort(new Error("left"));

  expect(await left).toMatchObject({ message: "left" });
  expect(await staying).toEqual([{ n: 1 }]);
});

test("a page of many rows goes by itself, and a small one behind it does not wait for it", async () => {
  const reads = createReads(openDatabase(connection), { coalesce: true });
  const slow = statement<{ n: number }>("test.slow_page", "select 1::int4 as n from pg_sleep(0.3)");
  const order: string[] = [];
  const large = reads
    .run(deadline(), 1_000)(slow, [])
    .then(() => order.push("large"));
  const small = reads
    .run(deadline(), 5)(series, [1])
    .then(() => order.push("small"));

  await Promise.all([large, small]);

  expect(order).toEqual(["small", "large"]);
});

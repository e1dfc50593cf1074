import { expect, test } from "vitest";
import { rowSet } from "../src/db/engine/row-set.ts";

type Sent = { readonly n: number; readonly userId: string; readonly version: bigint | undefined };

const sent = rowSet<Sent>({ n: "n int4", userId: "user_id uuid", version: "version int8" }, 3);

test("rows are read from one parameter for each column, counted from the first one", () => {
  const unnested = "unnest($3::int4[], $4::uuid[], $5::int8[]) as r (n, user_id, version)";
  expect(sent.from("r")).toBe(unnested);
  expect(sent.select("r")).toBe(`select n, user_id, version from ${unnested}`);
  expect(sent.parameter("userId")).toBe("$4::uuid[]");
  expect(sent.names).toEqual(["n", "user_id", "version"]);
  expect(sent.next).toBe(6);
});

test("values are sent in the order of the columns, whatever the order of a row's fields is", () => {
  const rows = [
    { version: 2n, userId: "a", n: 0 },
    { n: 1, version: undefined, userId: "b" },
  ];

  expect(sent.values(rows)).toEqual([
    [0, 1],
    ["a", "b"],
    [2n, undefined],
  ]);
});

test("a field without a column does not compile, and neither does a type that does not fit", () => {
  // @ts-expect-error: `userId` is missing.
  const short = rowSet<Omit<Sent, "version">>({ n: "n int4" });
  // @ts-expect-error: an amount is sent as the text of a decimal.
  const wrong = rowSet<{ readonly total: bigint }>({ total: "total decimal" });

  expect([...short.names, ...wrong.names]).toEqual(["n", "total"]);
});

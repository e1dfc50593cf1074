import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { toTable } from "../scripts/plan-table.ts";
import { readTexts } from "../src/db/texts.ts";
import { runToEnd } from "./support/processes.ts";
// Loading it declares all SQL.
import "../src/server.ts";

/** Runs `npm run explain` to its end. */
const explain = (...args: string[]) => runToEnd(process.execPath, ["scripts/explain.ts", ...args]);

test.each(["cockroachdb", "postgresql"] as const)(
  "explain --texts %s prints every SQL text",
  async (engine) => {
    const listed = await readTexts(engine);

    const { code, stdout } = await explain("--texts", engine);

    expect({ code, texts: JSON.parse(stdout) as unknown }).toEqual({
      code: 0,
      texts: Object.fromEntries(listed),
    });
  },
);

test.each([
  [["--texts", "mysql"], "explain: --texts takes cockroachdb or postgresql; see --help\n"],
  [["--orders", "0"], "explain: --orders takes a whole number above 0; see --help\n"],
  [["--statement", "nothing"], "explain: no statement's name begins with nothing; see --help\n"],
])("explain %j ends with code 2 and one line", async (args, line) => {
  const ended = await explain(...args);

  expect(ended).toEqual({ code: 2, signal: null, stdout: "", stderr: line });
});

test("the table of plans lists the indexes of a statement on as many lines as they need", () => {
  const indexes = ["order_events_idempotency_key_key", "orders_user_id_create_time_idx", "users_pkey"];
  const name = "orders.list_by_user_and_status";

  const table = toTable([{ name, indexes, scanned: ["orders"], sorts: 1, text: "" }]);

  const cells = stripVTControlCharacters(table)
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  expect(cells).toEqual([
    ["statement", "rows found by", "reads whole", "sorts"],
    [name, "order_events_idempotency_key_key,", "orders", "1"],
    ["", "orders_user_id_create_time_idx, users_pkey"],
  ]);
});

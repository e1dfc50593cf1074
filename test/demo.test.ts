import { expect, test } from "vitest";
import { runToEnd } from "./support/processes.ts";

test("the demo drives a server of its own and finds that totals and stock add up", async () => {
  const size = ["--orders", "40", "--concurrency", "8", "--users", "5", "--products", "8"];

  const { code, stdout, stderr } = await runToEnd(process.execPath, ["scripts/demo.ts", ...size]);

  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("placing orders: 40 of 40\n");
  expect(stdout.split("\n").filter((line) => /^(ok|FAILED) /.test(line))).toEqual([
    expect.stringMatching(/^ok +all \d+ orders are there, each once, as they were left$/),
    "ok      every total is the sum of its items",
    "ok      all 8 products: initial = on hand + in live orders",
  ]);
});

test.each([
  [["--nonsense"], "--nonsense"],
  [["--orders", "none"], "--orders takes a whole number above zero"],
  [["--url", "nonsense"], "--url"],
])("the demo ends with 2 for %j and names what is wrong", async (args, named) => {
  const { code, stdout, stderr } = await runToEnd(process.execPath, ["scripts/demo.ts", ...args]);

  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(named);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
});

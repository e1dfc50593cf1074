import { mkdtempDisposable, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { checkNothingLeft, checkSold } from "../scripts/demo/audit.ts";
import { ProductSchema } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderSchema } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { run, runToEnd } from "./support/processes.ts";

const verdicts = (stdout: string) => stdout.split("\n").filter((line) => /^(ok|FAILED) /.test(line));

test("the demo drives a server of its own and finds that totals and stock add up", async () => {
  const size = ["--orders", "40", "--concurrency", "8", "--users", "5", "--products", "8"];

  const { code, stdout, stderr } = await runToEnd(process.execPath, ["scripts/demo.ts", "--own", ...size]);

  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("placing orders: 40 of 40\n");
  expect(verdicts(stdout)).toEqual([
    expect.stringMatching(/^ok +all \d+ orders are there, each once, as they were left$/),
    "ok      every total is the sum of its items",
    "ok      all 8 products: initial = on hand + in live orders",
  ]);
});

test("the flash sale of the demo sells every crowd exactly what there is and fails no call", async () => {
  const size = ["--orders", "41", "--concurrency", "8", "--users", "4", "--products", "4"];

  const args = ["scripts/demo.ts", "--own", "--flash-sale", ...size];
  const { code, stdout, stderr } = await runToEnd(process.execPath, args);

  expect([code, stderr]).toEqual([0, ""]);
  const rows = stdout.split("\n").filter((line) => /^ +\d/.test(line));
  // Callers, sold, refused, failed, left.
  expect(rows.map((row) => row.trim().split(/ +/).slice(0, 5).map(Number))).toEqual([
    [1, 41, 41, 0, 0],
    [2, 41, 41, 0, 0],
    [4, 41, 41, 0, 0],
    [8, 41, 41, 0, 0],
  ]);
  expect(verdicts(stdout)).toEqual([
    "ok      exactly the 164 pieces that there were are sold",
    "ok      all 16 products have 0 on hand",
    "ok      all 164 orders are there, each once, as they were left",
    "ok      no call has failed",
  ]);
});

test(
  "three replicas restart behind a balancer, and no call of grpc-js fails",
  { timeout: 180_000 },
  async () => {
    const { code, stdout, stderr } = await runToEnd(process.execPath, ["scripts/demo.ts", "--rolling"]);

    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.match(/^replica \d is (draining|starting|serving); .* 0 failed; /gm)).toHaveLength(9);
    expect(verdicts(stdout)).toEqual([
      expect.stringMatching(/^ok +none of \d{4} calls has failed$/),
      expect.stringMatching(
        /^ok +all \d+ orders are there, each once, \d+ from a stream resumed [1-9]\d* times?$/,
      ),
      "ok      every replica has let its calls finish and ended with 0",
    ]);
  },
);

test("the demo that is interrupted stops its server and leaves nothing behind", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "demo-test-"));
  await using demo = run(process.execPath, ["scripts/demo.ts", "--own"], { TMPDIR: directory.path });
  await demo.printed("creating users: 40 of 40\n");

  demo.signal("SIGINT");

  expect((await demo.ended).code).toBe(130);
  expect(await readdir(directory.path)).toEqual([]);
});

test.each([
  ["SIGINT", 130, "starting a PostgreSQL"],
  ["SIGINT", 130, "replica 1 is starting"],
  ["SIGTERM", 143, "replica 1 is draining"],
] as const)(
  "the rolling demo that gets %s ends with %d and leaves nothing behind (%s)",
  async (name, ending, line) => {
    await using directory = await mkdtempDisposable(path.join(tmpdir(), "demo-test-"));
    await using demo = run(process.execPath, ["scripts/demo.ts", "--rolling"], { TMPDIR: directory.path });
    await demo.printed(line);

    demo.signal(name);

    const { code, stderr } = await demo.ended;
    expect([code, stderr]).toEqual([ending, `ended by ${name}\n`]);
    expect(await readdir(directory.path)).toEqual([]);
    // Its replicas are of its group.
    expect(() => process.kill(-demo.pid, 0)).toThrow("ESRCH");
  },
);

test("the checks of a flash sale find what was sold twice and what was left", () => {
  const [lamp, desk, pen] = ["lamp", "desk", "pen"].map((id) => create(ProductSchema, { id, onHand: 2n }));
  const initial = [lamp!, desk!, pen!];
  const items = ["lamp", "lamp", "desk", "pen", "pen", "pen"].map((productId) => ({
    productId,
    quantity: 1,
  }));
  const now = new Map([
    ["lamp", { ...lamp!, onHand: 0n }],
    ["desk", { ...desk!, onHand: 1n }],
  ]);

  const found = [checkSold(initial, [create(OrderSchema, { items })]), checkNothingLeft(initial, now)];

  expect(found.map(({ violations }) => violations)).toEqual([
    ["product desk had 2 pieces, and 1 are sold", "product pen had 2 pieces, and 3 are sold"],
    ["product desk has 1 on hand", "product pen has no on hand"],
  ]);
});

test.each([
  [["--nonsense"], "--nonsense"],
  [["--orders", "none"], "--orders takes a whole number above zero"],
  [["--url", "nonsense"], "--url"],
  [["--own", "--url", "http://127.0.0.1:1"], "--own and --url exclude each other"],
  [["--rolling", "--flash-sale"], "--rolling"],
  [["--flash-sale", "--concurrency", "0"], "--concurrency takes a whole number above zero"],
  [["--flash-sale", "--url", "http://127.0.0.1:1", "--write", "orders.ndjson"], "--flash-sale"],
])("the demo ends with 2 for %j and names what is wrong", async (args, named) => {
  const { code, stdout, stderr } = await runToEnd(process.execPath, ["scripts/demo.ts", ...args]);

  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(named);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
});

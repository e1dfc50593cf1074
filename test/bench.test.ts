import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { runToEnd } from "./support/processes.ts";

// Seven processes start one after the other.
const timeout = 60_000;

test(
  "a quick bench of a row ends well, with a line of figures for each contestant",
  { timeout },
  async () => {
    await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-bench-test-"));
    const file = path.join(directory.path, "figures.json");

    const args = ["bench/run.ts", "--quick", "--row", "get-user", "--json", file];
    const { code, stderr } = await runToEnd(process.execPath, args);

    expect([code, stderr]).toEqual([0, ""]);
    const number = expect.any(Number) as number;
    const speed = { perSecond: number, p50Ms: number, p99Ms: number, cpuMsPerCall: number };
    const figures = { inFlight: 64, acknowledged: number, refused: 0, failed: 0, ...speed };
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual([
      { row: "get-user", contestant: "ours", ...figures },
      { row: "get-user", contestant: "tutorial", ...figures },
      { row: "get-user", contestant: "connect", ...figures },
      { row: "get-user", contestant: "engine", ...figures },
      { row: "get-user-from-memory", contestant: "ours", ...figures },
      { row: "get-user-by-grpc-js", contestant: "floor", ...figures },
      { row: "get-user-by-http2", contestant: "floor", ...figures },
    ]);
  },
);

test.each([
  [["--in-flight", "0"], "--in-flight takes a number of callers"],
  [["--in-flight", "8", "--growth", "1000"], "--growth has numbers of callers of its own"],
  [["--in-flight", "8", "--row", "import-orders"], "there is no row import-orders"],
])("a bench with %j ends with 2 and says why", async (options, why) => {
  const { code, stderr } = await runToEnd(process.execPath, ["bench/run.ts", ...options]);

  expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
});

import { once } from "node:events";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { run, runToEnd } from "./support/processes.ts";
import { startMain } from "./support/main.ts";

// Up to seven processes start one after the other, on a machine that may be busy with other tests.
const timeout = 120_000;

test(
  "a quick bench of a row ends well, with a line of figures for each contestant",
  { timeout },
  async () => {
    await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-bench-test-"));
    const file = path.join(directory.path, "figures.json");

    const args = ["bench/run.ts", "--quick", "--row", "get-user", "--json", file];
    const { code, stderr } = await runToEnd(process.execPath, args);

    expect([code, stderr]).toEqual([0, ""]);
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

const number = expect.any(Number) as number;

test("a bench of the parts of a call has a figure for each of them", { timeout }, async () => {
  const { code, stdout, stderr } = await runToEnd(process.execPath, ["bench/run.ts", "--quick", "--parts"]);

  const figures = stdout.matchAll(/^\| (\w[^|]+?) +\| +([\d.]*) \| +(-?[\d.]*) \|$/gm);
  const parts = Array.from(figures, ([, part, first, second]) => [part, first !== "", second !== ""]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(parts).toEqual(
    expect.arrayContaining([
      ["decode the request", true, true],
      ["page token: sign", false, true],
      ["all but the listener, from memory", true, true],
      ["GetUser: with batchers and database: the service", true, true],
      ["page of 50 orders: the service", true, false],
    ]),
  );
  expect(parts.every(([, first, second]) => first === true || second === true)).toBe(true);
});

test(
  "a bench with a peer makes what it needs at it and measures both in the rows that the peer serves",
  { timeout },
  async () => {
    await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-bench-test-"));
    const file = path.join(directory.path, "figures.json");
    await using peer = startMain({ DATA_DIR: path.join(directory.path, "data"), LOG_LEVEL: "silent" });
    const address = /gRPC +([\d.:]+)/.exec(await peer.printed("Try:"))![1]!;

    const rows = ["get-user", "update-order-status", "list-orders"];
    const chosen = rows.flatMap((row) => ["--row", row]);
    const options = ["--quick", "--in-flight", "2", "--json", file, ...chosen];
    const args = ["--peer", `http://${address}`, "--peer-pid", String(peer.pid), ...options];
    const { code, stderr } = await runToEnd(process.execPath, ["bench/run.ts", ...args]);
    // Killed, it would leave a database that still writes into the directory.
    peer.signal("SIGTERM");
    await peer.ended;

    expect([code, stderr]).toEqual([0, ""]);
    const speed = { perSecond: number, p50Ms: number, p99Ms: number, cpuMsPerCall: number };
    const figures = { inFlight: 2, acknowledged: number, refused: 0, failed: 0, ...speed };
    const results = JSON.parse(await readFile(file, "utf8")) as {
      acknowledged: number;
      cpuMsPerCall: number;
    }[];
    expect(results).toEqual(
      rows.flatMap((row) =>
        ["ours", `peer ${address}`].map((contestant) => ({ row, contestant, ...figures })),
      ),
    );
    expect(results.filter(({ acknowledged, cpuMsPerCall }) => !(acknowledged * cpuMsPerCall > 0))).toEqual(
      [],
    );
  },
);

test(
  "a bench says which method a peer does not serve, and leaves it out of the row",
  { timeout },
  async () => {
    await using peer = run(process.execPath, ["bench/floor-server.ts", "grpc-js"]);
    const address = /gRPC +([\d.:]+)/.exec(await peer.printed("gRPC"))![1]!;

    const args = ["bench/run.ts", "--quick", "--row", "get-user", "--peer", address];
    const { code, stdout, stderr } = await runToEnd(process.execPath, args);

    expect([code, stderr]).toEqual([2, "no row could be measured\n"]);
    expect(stdout).toContain(`peer ${address} does not serve CreateUser, and is left out of this row`);
  },
);

test("a bench ends with 2 where nothing takes connections, or not those of HTTP/2", async () => {
  const other = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const fail = async (url: string): Promise<unknown> => {
    const { code, stderr } = await runToEnd(process.execPath, ["bench/run.ts", "--peer", url]);
    return [code, stderr];
  };

  const [whileOpen] = [await fail(`127.0.0.1:${port}`), other.close()];

  const refused = `nothing speaks HTTP/2 at http://127.0.0.1:${port}: `;
  expect([whileOpen, await fail(`127.0.0.1:${port}`)]).toEqual([
    [2, `${refused}ERR_HTTP2_ERROR\n`],
    [2, `${refused}ECONNREFUSED\n`],
  ]);
});

test.each([
  [["--in-flight", "0"], "--in-flight takes a number of callers"],
  [["--in-flight", "8", "--growth", "1000"], "--growth has numbers of callers of its own"],
  [["--in-flight", "8", "--row", "import-orders"], "there is no row import-orders"],
  [["--peer", "ftp://127.0.0.1:1"], "which ftp://127.0.0.1:1 is not"],
  [["--peer", "127.0.0.1:1/orders"], "which 127.0.0.1:1/orders is not"],
  [["--peer", "127.0.0.1:1", "--row", "ingest"], "there is no row ingest"],
  [["--peer", "127.0.0.1:1", "--growth", "1000"], "without --growth"],
  [["--peer-pid", "1"], "--peer-pid is given once for each --peer"],
  [["--peer", "127.0.0.1:1", "--peer-pid", "4294967295"], "a process 4294967295 cannot be read"],
])("a bench with %j ends with 2 and says why", async (options, why) => {
  const { code, stderr } = await runToEnd(process.execPath, ["bench/run.ts", ...options]);

  expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
});

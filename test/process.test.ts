import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import * as net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startOf } from "../src/db/embedded/directory-lock.ts";
import { startEmbedded } from "../src/db/embedded/embedded.ts";
import { migrate } from "../src/db/migrate/migrate.ts";
import { copy, settings } from "./support/embedded.ts";
import { refusalOf, startByNpm, startMain, toUrl } from "./support/main.ts";
import { type Program, runToEnd } from "./support/processes.ts";
import { type Scratch, startScratch } from "./support/scratch.ts";

let base: string;
/** A data directory that was used, migrated and left in order; a copy of it starts in a tenth of the time. */
let used: string;
/** A database server that belongs to none of the processes. */
let scratch: Scratch;

beforeAll(async () => {
  base = await mkdtemp(path.join(tmpdir(), "commerce-process-"));
  await chmod(base, 0o755);
  used = path.join(base, "used");
  {
    await using embedded = await startEmbedded(used, { settings });
    await migrate(embedded.connection, { engine: "postgresql" });
  }
  scratch = await startScratch();
});

afterAll(async () => {
  await scratch[Symbol.asyncDispose]();
  // The server of a process that a failed test has killed may still be writing its last.
  await rm(base, { recursive: true, maxRetries: 10 });
});

test("prints its addresses and a call that works when it is pasted", async () => {
  await using service = startMain({ DATA_DIR: await copyUsed("pasted") });
  const text = await service.printed("/ListUsers\n");

  const pasted = text.split("\n").find((line) => line.includes("buf curl"));
  const { code, stdout } = await runToEnd("sh", ["-c", pasted!]);
  const listUsers = "http://ADDRESS/commerce.user.v1.UserService/ListUsers";

  expect(text.replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS").replace(/after \d+\.\d\d s/, "after N s")).toBe(
    `commerce-core is ready after N s on PostgreSQL 18.4, embedded in ${path.join(base, "pasted")}
  gRPC                      ADDRESS
  Connect, gRPC-Web, JSON   http://ADDRESS
  admin                     http://ADDRESS (/livez /readyz /metrics)
Try:
  npx buf curl --http2-prior-knowledge --protocol grpc -d '{"pageSize": 3}' ${listUsers}
`,
  );
  expect([code, JSON.parse(stdout)]).toEqual([0, {}]);
});

// What a supervisor ends is npm; a shell between the two would keep the signal for itself.
test("SIGTERM to npm start ends the service, too", async () => {
  const directory = await copyUsed("npm");
  await using npm = startByNpm({ DATA_DIR: directory });
  await npm.printed("Try:");

  npm.signal("SIGTERM");
  const { stdout } = await npm.ended;

  expect(stdout).toMatch(/\nstopping: calls in flight may finish\nstopped\n$/);
  await expect(readPostgres(directory)).rejects.toThrow("ENOENT");
});

test.each([
  ["SIGTERM from a supervisor", (service: Program) => service.signal("SIGTERM")],
  [
    "SIGINT from a terminal, which the whole group hears",
    (service: Program) => service.signalGroup("SIGINT"),
  ],
])("%s ends it with 0 and leaves nothing behind", async (name, end) => {
  const directory = await copyUsed(name.slice(0, 7));
  await using service = startMain({ DATA_DIR: directory });
  await service.printed("Try:");
  const postgres = await readPostgres(directory);

  end(service);
  const ended = await service.ended;

  expect(ended).toMatchObject({ code: 0, stderr: "" });
  expect(ended.stdout).toMatch(/\nstopping: calls in flight may finish\nstopped\n$/);
  expect(await startOf(postgres)).toBeUndefined();
  await expect(readPostgres(directory)).rejects.toThrow("ENOENT");
});

test("a silent peer does not keep it from ending with 0", async () => {
  await using service = startMain({ DATA_DIR: await copyUsed("silent"), SHUTDOWN_GRACE: "1h" });
  const text = await service.printed("Try:");
  const port = Number(/gRPC +127\.0\.0\.1:(\d+)/.exec(text)![1]);
  const peer = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await new Promise((resolve) => peer.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", resolve));

  service.signal("SIGTERM");
  const { code, stderr } = await service.ended;
  peer.destroy();

  expect([code, stderr]).toEqual([0, ""]);
});

test("a second signal ends it at once with 1", async () => {
  const directory = await copyUsed("forced");
  await using service = startMain({ DATA_DIR: directory, SHUTDOWN_DRAIN: "1m" });
  await service.printed("Try:");
  const postgres = await readPostgres(directory);

  service.signal("SIGTERM");
  await service.printed("stopping");
  service.signal("SIGTERM");
  const { code, stderr } = await service.ended;

  expect([code, stderr]).toEqual([1, "commerce-core failed: stopped at once by a second SIGTERM\n"]);
  await expect.poll(() => startOf(postgres)).toBeUndefined();
});

test.runIf(process.platform === "linux")("SIGKILL leaves no postgres behind", async () => {
  const directory = await copyUsed("killed");
  await using service = startMain({ DATA_DIR: directory });
  await service.printed("Try:");
  const postgres = await readPostgres(directory);

  service.signal("SIGKILL");
  await service.ended;

  await expect.poll(() => startOf(postgres)).toBeUndefined();
});

test("ends with 1 and says so when its database has died", async () => {
  const directory = await copyUsed("orphaned");
  await using service = startMain({ DATA_DIR: directory, LOG_LEVEL: "silent" });
  await service.printed("Try:");
  const postgres = await readPostgres(directory);

  process.kill(postgres, "SIGKILL");
  const { code, stderr } = await service.ended;

  // What follows are the last words of the server, if it had any.
  const line = new RegExp(`^commerce-core failed: postgres \\(pid ${postgres}\\) ended: SIGKILL.*\n$`);
  expect([code, stderr]).toEqual([1, expect.stringMatching(line)]);
});

test("a second start on a data directory ends with 1 and names the process that holds it", async () => {
  const directory = await copyUsed("held");
  await using service = startMain({ DATA_DIR: directory });
  await service.printed("Try:");

  const second = await refusalOf({ DATA_DIR: directory });

  const held = `data directory ${directory} is held by process ${service.pid} since TIME`;
  expect(second.replace(/since \S+:/, "since TIME:")).toBe(`${held}: stop it, or choose another DATA_DIR`);
});

test("never prints the password of its database, however much it logs", async () => {
  const connection = await scratch.createDatabase();
  await using service = startMain({ DATABASE_URL: toUrl(connection), LOG_LEVEL: "trace" });
  const text = await service.printed("/ListUsers\n");

  await runToEnd("sh", ["-c", text.split("\n").find((line) => line.includes("buf curl"))!]);
  service.signal("SIGTERM");
  const { code, stdout, stderr } = await service.ended;

  expect(code).toBe(0);
  expect(stderr).toContain("ListUsers");
  expect(stdout).toContain(`PostgreSQL 18.4, 127.0.0.1:${connection.port}/${connection.database}\n`);
  expect(stdout + stderr).not.toContain(connection.password!);
});

/** The used data directory, copied under a name of its own. */
async function copyUsed(name: string): Promise<string> {
  const directory = path.join(base, name);
  await copy(used, directory);
  return directory;
}

/** The pid of the server that runs on a data directory. */
async function readPostgres(directory: string): Promise<number> {
  return Number.parseInt(await readFile(path.join(directory, "cluster/data/postmaster.pid"), "utf8"), 10);
}

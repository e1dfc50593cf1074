import { afterAll, expect, test } from "vitest";
import { version } from "../src/telemetry/version.ts";
import { startByNpm, startMain, toUrl } from "./support/main.ts";
import { startScratch } from "./support/scratch.ts";
import { workersOf } from "./support/service.ts";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

/** The lines of a log. */
function parse(stderr: string): Record<string, unknown>[] {
  return stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("where nobody looks, the log says where it listens and what it does, and standard output nothing", async () => {
  const { port, database, ...connection } = await scratch.createDatabase();
  const url = toUrl({ ...connection, port, database });
  await using service = startMain({ DATABASE_URL: url, WELCOME: "auto", OTEL_SERVICE_NAME: "shop" });
  await service.logged("commerce-core is ready");

  service.signal("SIGTERM");
  const { code, stdout, stderr } = await service.ended;

  const lines = parse(stderr).filter(({ msg }) => !String(msg).startsWith("applied "));
  const address = expect.stringMatching(/^127\.0\.0\.1:\d+$/);
  expect([code, stdout]).toEqual([0, ""]);
  expect(lines).toMatchObject([
    {
      service: "shop",
      version,
      instance: expect.any(String),
      grpc: address,
      http: address,
      admin: address,
      tls: false,
      auth: false,
      workers: 1,
      database: { version: expect.stringMatching(/^PostgreSQL/), place: `127.0.0.1:${port}/${database}` },
      start_ms: expect.any(Number),
      msg: expect.stringMatching(/^commerce-core is ready: gRPC/),
    },
    { because: "stopped by SIGTERM", msg: "stopping" },
    { msg: "stopped" },
  ]);
});

test("npm start says to people where it listens, and that it makes a database", async () => {
  await using npm = startByNpm({ DATABASE_URL: toUrl(await scratch.createDatabase()), WELCOME: "auto" });

  const text = await npm.printed("Try:");

  expect(text).toMatch(/\napplied 0001_users in \d+ ms\n(.*\n)*commerce-core is ready after /);
});

test("SIGUSR2 to all processes changes the level of the log, of workers, too, once", async () => {
  const url = toUrl(await scratch.createDatabase());
  await using service = startMain({ DATABASE_URL: url, WORKERS: "2" });
  await service.printed("Try:");
  await workersOf(service, 2);

  service.signalGroup("SIGUSR2");
  await expect
    .poll(async () => (await service.logged("log_level")).split('"log_level":"debug"').length - 1)
    .toBe(3);
  service.signal("SIGTERM");
  const { code, stderr } = await service.ended;

  expect(code).toBe(0);
  expect(stderr).not.toContain("a worker has ended");
});

test("SIGUSR2 does not end a start", async () => {
  await using service = startMain({
    DATABASE_URL: "postgres://ada@127.0.0.1:1/commerce",
    DATABASE_WAIT_MAX: "1h",
  });
  await service.logged("waiting for it");

  service.signal("SIGUSR2");
  service.signal("SIGTERM");

  expect(await service.ended).toMatchObject({ code: 0, signal: null });
});

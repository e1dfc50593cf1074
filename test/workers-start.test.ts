import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { refusalOf, startMain, toUrl } from "./support/main.ts";
import type { Program } from "./support/processes.ts";
import { startScratch } from "./support/scratch.ts";

// Three processes start, each of which loads what it needs, on a machine that others use.
vi.setConfig({ testTimeout: 60_000 });

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

test("what is misconfigured and shows in the workers ends the service with 2, and is said once", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-workers-"));
  const file = path.join(directory.path, "tls.crt");
  await writeFile(file, "no certificate");
  await using service = startMain({
    WORKERS: "2",
    DATABASE_URL: toUrl(await scratch.createDatabase()),
    TLS_CERT_FILE: file,
    TLS_KEY_FILE: file,
    WELCOME: "false",
    LOG_LEVEL: "warn",
  });

  const { code, stdout, stderr } = await service.ended;

  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toBe(`The configuration is wrong:\n  TLS_CERT_FILE: ${file} holds no PEM certificate\n`);
});

test("a port in use ends the service with 1, and is said once", async () => {
  await using other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;

  const line = await refusalOf({
    WORKERS: "2",
    DATABASE_URL: toUrl(await scratch.createDatabase()),
    LOG_LEVEL: "warn",
    HTTP_ADDR: `127.0.0.1:${port}`,
  });

  expect(line).toBe(`cannot listen on 127.0.0.1:${port} (HTTP_ADDR): the port is in use`);
});

test("workers that die before they serve end the service with 1, after some attempts", async () => {
  await using service = startWith("process.exit(7)", {
    DATABASE_URL: toUrl(await scratch.createDatabase()),
    LOG_LEVEL: "error",
  });

  const { code, stdout, stderr } = await service.ended;
  const lines = stderr.trimEnd().split("\n");

  expect([code, stdout, lines.at(-1)]).toEqual([
    1,
    "",
    expect.stringMatching(/^commerce-core failed: worker [12] cannot start: exit code 7$/),
  ]);
  expect(lines.slice(0, -1).map((line) => (JSON.parse(line) as { code: number }).code)).toEqual([7, 7, 7, 7]);
});

test("SIGTERM while workers start ends the service with 0 and leaves none behind", async () => {
  await using service = startWith("setInterval(() => {}, 1_000); await new Promise(() => {})", {
    DATABASE_URL: toUrl(await scratch.createDatabase()),
  });
  await service.logged("applied 0008_refusals");

  service.signal("SIGTERM");
  const ended = await service.ended;

  // Workers that were left behind would hold the pipes open, and it would not have ended.
  expect([ended.code, ended.stdout]).toEqual([0, ""]);
  expect(ended.stderr).toMatch(/"msg":"stopped before it was ready"\}\n$/);
});

test("a worker that hangs before it serves is killed and replaced, and the start goes on", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-workers-"));
  const marker = JSON.stringify(path.join(directory.path, "hung"));
  // The first worker to start hangs. The leader does ten times as often what it does at intervals.
  const preload = `
    import { mkdirSync } from "node:fs";
    const { setInterval } = globalThis;
    globalThis.setInterval = (run, ms, ...args) => setInterval(run, ms / 10, ...args);
    const isFirst = () => { try { mkdirSync(${marker}); return true; } catch { return false; } };
    const hang = () => new Promise(() => setInterval(() => {}, 1_000));
    if (process.argv[1].endsWith("entry.ts") && isFirst()) await hang();`;

  await using service = startMain(
    { WORKERS: "2", DATABASE_URL: toUrl(await scratch.createDatabase()) },
    preload,
  );
  await service.printed("Try:");

  expect(await service.logged("a worker does not answer: it is killed")).toContain('"signal":"SIGKILL"');
});

/** Starts a service of two workers, each of which runs a program first. */
function startWith(program: string, env: NodeJS.ProcessEnv): Program {
  const preload = `if (process.argv[1].endsWith("entry.ts")) { ${program}; }`;
  return startMain({ WORKERS: "2", WELCOME: "false", ...env }, preload);
}

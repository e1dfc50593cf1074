import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { refusalOf, startMain, toUrl } from "./support/main.ts";
import { startScratch } from "./support/scratch.ts";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

test("what is misconfigured and shows in the workers ends the service with 2, and is said once", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-workers-"));
  const file = path.join(directory.path, "tls.crt");
  await writeFile(file, "no certificate");
  await using service = startMain({
    WORKERS: "3",
    DATABASE_URL: toUrl(await scratch.createDatabase()),
    TLS_CERT_FILE: file,
    TLS_KEY_FILE: file,
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

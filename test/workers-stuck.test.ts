import { X509Certificate } from "node:crypto";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startOf } from "../src/db/embedded/directory-lock.ts";
import { createAuthority } from "./support/certificates.ts";
import { toUrl } from "./support/main.ts";
import { readMetrics } from "./support/metrics.ts";
import { type Service, startService, workersOf } from "./support/service.ts";
import { startScratch } from "./support/scratch.ts";

// Three processes start, each of which loads what it needs, on a machine that others use.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/**
 * What is done at intervals is done ten times as often: the certificate is looked at each second, and a
 * worker that does not answer is killed after three.
 */
const hurry = `const { setInterval } = globalThis;
globalThis.setInterval = (run, ms, ...args) => setInterval(run, ms / 10, ...args);`;

const authority = createAuthority();
const [first, second] = [authority.issue("127.0.0.1"), authority.issue("127.0.0.1")];
const names = new Map([
  [new X509Certificate(first.cert).fingerprint256, "first"],
  [new X509Certificate(second.cert).fingerprint256, "second"],
]);

/** The tests share a service of two workers, in the order in which they stand. */
const resources = new AsyncDisposableStack();
let service: Service;
let files: { readonly cert: string; readonly key: string };

beforeAll(async () => {
  const scratch = resources.use(await startScratch());
  const directory = resources.use(await mkdtempDisposable(path.join(tmpdir(), "commerce-workers-")));
  files = { cert: path.join(directory.path, "tls.crt"), key: path.join(directory.path, "tls.key") };
  await writeCertificate(first);
  const env = {
    WORKERS: "2",
    DATABASE_URL: toUrl(await scratch.createDatabase()),
    TLS_CERT_FILE: files.cert,
    TLS_KEY_FILE: files.key,
  };
  service = resources.use(await startService(env, hurry));
});

afterAll(() => resources.disposeAsync());

async function writeCertificate({ cert, key }: typeof first): Promise<void> {
  await writeFile(files.cert, cert);
  await writeFile(files.key, key);
}

/** Connects and tells which certificate is shown, or that there is none. */
async function knock(): Promise<string | undefined> {
  const { hostname: host, port } = new URL(service.grpcUrl);
  const socket = connect({ host, port: Number(port), ca: authority.cert, ALPNProtocols: ["h2"] });
  try {
    return await new Promise((resolve) => {
      socket.once("error", () => resolve("none"));
      socket.once("close", () => resolve("none"));
      socket.once("secureConnect", () => {
        resolve(names.get(socket.getPeerX509Certificate()!.fingerprint256));
      });
    });
  } finally {
    socket.destroy();
  }
}

/** Two connections, one after the other, reach both workers. */
const knockAtBoth = async () => [await knock(), await knock()];

test("a new certificate reaches every worker", async () => {
  const before = await knockAtBoth();

  await writeCertificate(second);

  expect(before).toEqual(["first", "first"]);
  await expect.poll(knockAtBoth).toEqual(["second", "second"]);
});

test("a worker that is stuck gets no new connections, and is killed and replaced", async () => {
  const before = await workersOf(service, 2);
  const stuck = before.get(1)!;

  process.kill(stuck, "SIGSTOP");
  const shown: (string | undefined)[] = [];
  const knocks = Array.from({ length: 6 }, async () => shown.push(await knock()));
  await expect.poll(() => shown).toEqual(Array.from({ length: 5 }, () => "second"));
  const later = [...(await knockAtBoth()), ...(await knockAtBoth())];
  const wasThere = await startOf(stuck);
  await Promise.all(knocks);
  const after = await workersOf(service, 3);

  expect(wasThere).toBeDefined();
  expect(later).toEqual(Array.from({ length: 4 }, () => "second"));
  // What the worker was sent last it may have begun to read.
  expect(shown.at(-1)).toBe("none");
  expect(await service.logged("a worker does not answer: it is killed")).toContain(`"pid":${stuck},`);
  expect([after.get(1) === stuck, after.get(2)]).toEqual([false, before.get(2)]);
  expect(await readMetrics(service.adminUrl, "commerce_worker_restarts_total")).toBe(1);
  expect(await knockAtBoth()).toEqual(["second", "second"]);
});

import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "node:tls";
import { expect, test } from "vitest";
import { createAuthority } from "./support/certificates.ts";
import { toUrl } from "./support/main.ts";
import { startScratch } from "./support/scratch.ts";
import { startService, workersOf } from "./support/service.ts";

/** A new certificate is looked for every ten seconds. */
const reloadMsMax = 30_000;

test("a certificate that is replaced reaches every worker, and a scrape tells when it expires", async () => {
  await using scratch = await startScratch();
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-workers-tls-"));
  const authority = createAuthority();
  const files = ["tls.crt", "tls.key"].map((name) => path.join(directory.path, name));
  const write = async (name: string): Promise<void> => {
    const { cert, key } = authority.issue(name);
    await writeFile(files[0]!, cert);
    await writeFile(files[1]!, key);
  };
  await write("first");
  await using service = await startService({
    WORKERS: "2",
    DATABASE_URL: toUrl(await scratch.createDatabase()),
    TLS_CERT_FILE: files[0],
    TLS_KEY_FILE: files[1],
  });
  await workersOf(service, 2);
  const port = Number(new URL(service.grpcUrl).port);
  // Connections go to the workers in turn.
  const knockTwice = () => Promise.all([knock(port), knock(port)]);
  const before = await knockTwice();

  await write("second");

  await expect.poll(knockTwice, { timeout: reloadMsMax }).toEqual(["second", "second"]);
  expect(before).toEqual(["first", "first"]);
  const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text();
  const expiry = /^commerce_tls_certificate_expiry_timestamp_seconds (\d+)$/m.exec(metrics)?.[1];
  expect(Number(expiry) * 1000).toBeGreaterThan(Date.now());
  expect(
    (await service.logged("the certificate was reloaded")).match(/certificate was reloaded/g),
  ).toHaveLength(2);

  /** The name in the certificate that a new connection is shown. */
  async function knock(to: number): Promise<string> {
    const trusted = { ca: authority.cert, checkServerIdentity: () => undefined };
    const socket = connect({ port: to, host: "127.0.0.1", ...trusted, ALPNProtocols: ["h2"] });
    await once(socket, "secureConnect");
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return String(CN);
  }
});

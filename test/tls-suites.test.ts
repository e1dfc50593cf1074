import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect, type ConnectionOptions } from "node:tls";
import { expect, test } from "vitest";
import { loadTls } from "../src/rpc/tls.ts";
import { createAuthority } from "./support/certificates.ts";
import { startListeners } from "./support/listeners.ts";

const authority = createAuthority();
const WEAK = [
  "AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES128-SHA256",
  "ECDHE-RSA-AES256-SHA384",
  "ECDHE-ECDSA-AES128-SHA",
  "ECDHE-RSA-AES128-SHA",
];
const REFUSED = "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE";

/** Both listeners; `replace` gives them another certificate. */
async function open() {
  await using opening = new AsyncDisposableStack();
  const directory = opening.use(await mkdtempDisposable(path.join(tmpdir(), "tls-suites-test-")));
  const files = { certFile: path.join(directory.path, "crt"), keyFile: path.join(directory.path, "key") };
  const write = async (): Promise<void> => {
    const { cert, key } = authority.issue("127.0.0.1");
    await Promise.all([writeFile(files.certFile, cert), writeFile(files.keyFile, key)]);
  };
  await write();
  const replaced = Promise.withResolvers<void>();
  const onReload = (problem?: Error): void => (problem ? undefined : replaced.resolve());
  const tls = opening.use(await loadTls(files, { refreshMs: 5, onReload }));
  const listeners = opening.use(await startListeners({}, { tls }));
  const stack = opening.move();
  return {
    ports: [listeners.grpc.address.port, listeners.http.address.port],
    replace: async () => (await write(), await replaced.promise),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The suite that a listener agrees to, or why it agrees to none. */
function agree(port: number, options: ConnectionOptions): Promise<string> {
  const given = { port, host: "127.0.0.1", ca: authority.cert, ALPNProtocols: ["h2"], ...options };
  return new Promise((resolve) => {
    const socket = connect(given, () => {
      resolve(socket.getCipher().name);
      socket.destroy();
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

test("both listeners refuse suites without forward secrecy and those that do not authenticate", async () => {
  await using listeners = await open();

  const agreed = listeners.ports.flatMap((port) =>
    WEAK.map((ciphers) => agree(port, { maxVersion: "TLSv1.2", ciphers })),
  );

  expect(new Set(await Promise.all(agreed))).toEqual(new Set([REFUSED]));
});

test("both listeners go on to do so with a new certificate", async () => {
  await using listeners = await open();

  await listeners.replace();
  const { ports } = listeners;
  const ciphers = WEAK.join(":");
  const refused = await Promise.all(ports.map((port) => agree(port, { maxVersion: "TLSv1.2", ciphers })));
  const oldest = await Promise.all(ports.map((port) => agree(port, { maxVersion: "TLSv1.2" })));

  expect(refused).toEqual([REFUSED, REFUSED]);
  expect(oldest).toEqual([expect.stringMatching(/^ECDHE-.*-GCM-/), expect.stringMatching(/^ECDHE-.*-GCM-/)]);
});

test("both listeners speak TLS 1.3 where the caller does", async () => {
  await using listeners = await open();

  const agreed = await Promise.all(listeners.ports.map((port) => agree(port, { minVersion: "TLSv1.3" })));

  expect(agreed).toEqual([expect.stringMatching(/^TLS_/), expect.stringMatching(/^TLS_/)]);
});

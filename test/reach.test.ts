import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import { afterAll, expect, test } from "vitest";
import type { Connection } from "../src/config.ts";
import { reachDatabase } from "../src/db/engine/reach.ts";
import { createAuthority } from "./support/certificates.ts";
import { execute } from "./support/databases.ts";
import { failureOf } from "./support/embedded.ts";
import { type Habit, startPooler } from "./support/pooler.ts";
import { startScratch } from "./support/scratch.ts";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());
const database = await scratch.createDatabase();
const authority = createAuthority();

const known = "put it into DATABASE_URL (postgres://user:password@…) or CRDB_PASSWORD";
const correct = "correct the user or the password in DATABASE_URL, or CRDB_USER and CRDB_PASSWORD";

test.each<[string, (given: Connection) => Partial<Connection>, string]>([
  [
    "a wrong password",
    () => ({ password: "wrong-horse" }),
    `PLACE refuses the service: password authentication failed for user "commerce": ${correct}`,
  ],
  [
    "a user that does not exist",
    () => ({ user: "mallory" }),
    `PLACE refuses the service: password authentication failed for user "mallory": ${correct}`,
  ],
  [
    "a password that is missing",
    () => ({ password: undefined as unknown as string }),
    `PLACE refuses the service: it asks for a password and none is configured; ${known}`,
  ],
  [
    "a database that does not exist",
    () => ({ database: "nowhere" }),
    'PLACE refuses the service: database "nowhere" does not exist: create it, or name another one in ' +
      "DATABASE_URL or CRDB_DATABASE",
  ],
  [
    "a host that does not exist",
    () => ({ host: "nowhere.invalid" }),
    "PLACE cannot be reached: no host of this name is known (ENOTFOUND)",
  ],
  [
    "a port where nothing listens",
    () => ({ port: 1 }),
    "PLACE cannot be reached: nothing listens there (ECONNREFUSED)",
  ],
  [
    "a socket that does not exist",
    () => ({ host: "/nowhere" }),
    "PLACE cannot be reached: there is no such socket (ENOENT)",
  ],
  [
    "a server without TLS",
    () => ({ ssl: { rejectUnauthorized: true } }),
    "PLACE cannot be reached: it has no TLS: set it up there, or configure sslmode=disable or " +
      "CRDB_SSL_MODE=disable",
  ],
])("says in one line what is wrong with %s", async (_what, change, line) => {
  const given = { ...database, ...change(database) };

  const said = await failureOf(reachDatabase(given));

  const place = given.host.startsWith("/")
    ? `${given.host}/.s.PGSQL.${given.port}`
    : `${given.host}:${given.port}`;
  expect(said).toBe(`the database at ${line.replace("PLACE", place)}`);
});

test.each<[string, tls.ConnectionOptions, string]>([
  [
    "an authority that is not known",
    {},
    "its certificate is not trusted: name its authority by sslrootcert or CRDB_SSL_ROOT_CERT " +
      "(UNABLE_TO_VERIFY_LEAF_SIGNATURE)",
  ],
  [
    "another name",
    { ca: authority.cert },
    "its certificate is for other names: use one of them, or sslmode=verify-ca with its authority " +
      "(ERR_TLS_CERT_ALTNAME_INVALID)",
  ],
])("says in one line that a certificate is of %s", async (_what, ssl, line) => {
  await using server = await startTlsServer("db.example.com");
  const given = { ...database, port: server.port, ssl };

  const said = await failureOf(reachDatabase(given));

  expect(said).toBe(`the database at 127.0.0.1:${server.port} cannot be reached: ${line}`);
});

const direct = "name the database itself, the service has a pool of its own";

test.each<[Habit, string]>([
  [
    "refuses options",
    "the database at PLACE refuses the service: from the fault proxy: 08P01: " +
      `this is how a connection pooler answers; ${direct}`,
  ],
  [
    "drops options",
    "a connection pooler stands at PLACE, which does not pass on the settings of a session " +
      `(its isolation is read committed): ${direct}`,
  ],
  ["hides sessions", `a connection pooler stands at PLACE, which hides the numbers of sessions: ${direct}`],
])("refuses a pooler that %s", async (habit, line) => {
  await using pooler = await startPooler(database, habit);

  const said = await failureOf(reachDatabase(pooler.connection));

  expect(said).toBe(line.replace("PLACE", `127.0.0.1:${pooler.connection.port}`));
});

test("refuses a database that cannot hold every text", async () => {
  await execute(database, "create database latin encoding 'LATIN1' locale 'C' template template0");

  const said = await failureOf(reachDatabase({ ...database, database: "latin" }));

  expect(said).toBe(
    `database "latin" at 127.0.0.1:${database.port} is encoded in LATIN1, not UTF8; ` +
      "make one by: create database … encoding 'UTF8' template template0",
  );
});

test("takes the options of the configuration, and lets none of them undo its own settings", async () => {
  const options = "-c search_path=shop -c default_transaction_isolation=read\\ committed";

  const { engine } = await reachDatabase({ ...database, options });

  expect(engine).toBe("postgresql");
  expect(await execute({ ...database, options }, "show search_path")).toEqual([{ search_path: "shop" }]);
});

/** A server that agrees to TLS and shows a certificate for a name. */
async function startTlsServer(name: string): Promise<AsyncDisposable & { readonly port: number }> {
  const { cert, key } = authority.issue(name);
  const listener = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("S");
      new tls.TLSSocket(socket, { isServer: true, cert, key }).on("error", () => socket.destroy());
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await once(listener, "close");
    },
  };
}

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import type { Connection } from "../../src/config.ts";
import { createPasswords } from "../../src/services/passwords.ts";
import { createAuthority } from "../support/certificates.ts";
import { execute } from "../support/databases.ts";
import { root } from "../support/embedded.ts";
import { audience, issuer, keys, sign } from "../support/tokens.ts";
import { type Monitor, startMonitor } from "./monitor.ts";

/** How the service is configured: for anybody, for callers with tokens, or for anybody over TLS. */
export const MODES = ["open", "authenticated", "tls"] as const;
export type Mode = (typeof MODES)[number];

/** The service in a process of its own, with users in its database, and a normal caller beside it. */
export type Target = AsyncDisposable & {
  readonly mode: Mode;
  readonly grpc: number;
  readonly http: number;
  readonly admin: number;
  /** A token of the attacker, who holds every scope. */
  readonly token: string;
  /** A user whom anybody may ask for. */
  readonly user: { readonly id: string; readonly email: string };
  readonly monitor: Monitor;
  /** How the process has ended, in words; undefined while it runs. */
  ended(): string | undefined;
};

/** What a container of 1.5 GiB leaves for the heap. */
const HEAP_MEBIBYTES = 1024;
/** Where the attack has won, and the machine is to survive it. */
const RESIDENT_BYTES_MAX = 3 * 2 ** 30;
/** Enough for a page of the most users; their names make it a large one. */
const USERS = 1_000;
const HASH_MS_MAX = 10_000;
const SCOPES = [
  "users.read",
  "users.write",
  "users.authenticate",
  "orders.read",
  "orders.write",
  "inventory.read",
  "inventory.write",
].join(" ");

/** Starts the service on an empty database, which may lack all tables. */
export async function startTarget(connection: Connection, mode: Mode): Promise<Target> {
  await using starting = new AsyncDisposableStack();
  const directory = await mkdtemp(path.join(tmpdir(), "commerce-hostile-"));
  starting.defer(() => rm(directory, { recursive: true }));
  const authority = createAuthority();
  const env = await writeFiles(directory, mode, authority.issue("localhost"));
  const service = starting.use(await startService({ ...env, DATABASE_URL: toUrl(connection) }));
  const user = await createUsers(connection);
  const exp = Math.floor(Date.now() / 1000) + 3_600;
  const [own, token] = await Promise.all(
    ["monitor", "mallory"].map((sub) => sign({ sub, exp, scope: SCOPES })),
  );
  const monitor = starting.use(
    await startMonitor({
      pid: service.pid,
      grpcPort: service.grpc,
      adminPort: service.admin,
      userId: user.id,
      residentBytesMax: RESIDENT_BYTES_MAX,
      ...(mode === "authenticated" && { token: own }),
      ...(mode === "tls" && { authority: authority.cert }),
    }),
  );
  const running = starting.move();
  const { grpc, http, admin, ended } = service;
  return {
    mode,
    grpc,
    http,
    admin,
    token: token!,
    user,
    monitor,
    ended,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Writes what the mode needs, and answers the variables that name it. */
async function writeFiles(
  directory: string,
  mode: Mode,
  certificate: { readonly cert: string; readonly key: string },
): Promise<NodeJS.ProcessEnv> {
  const write = async (name: string, text: string): Promise<string> => {
    const file = path.join(directory, name);
    await writeFile(file, text, { mode: 0o600 });
    return file;
  };
  switch (mode) {
    case "open":
      return {};
    case "authenticated": {
      const pem = keys.publicKey.export({ type: "spki", format: "pem" }).toString();
      const AUTH_KEY_FILE = await write("issuer.pem", pem);
      return { AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience, AUTH_KEY_FILE };
    }
    case "tls":
      return {
        TLS_CERT_FILE: await write("tls.crt", certificate.cert),
        TLS_KEY_FILE: await write("tls.key", certificate.key),
      };
    default:
      return mode satisfies never;
  }
}

async function startService(env: NodeJS.ProcessEnv) {
  const anywhere = { GRPC_ADDR: "127.0.0.1:0", HTTP_ADDR: "127.0.0.1:0", ADMIN_ADDR: "127.0.0.1:0" };
  const { PATH, HOME, TMPDIR } = process.env;
  const own = {
    PATH: [path.dirname(process.execPath), PATH].join(path.delimiter),
    NODE_OPTIONS: `--max-old-space-size=${HEAP_MEBIBYTES}`,
  };
  // As `npm start` does.
  const child = spawn("sh", ["-c", packageJson.scripts.start], {
    cwd: root,
    env: { HOME, TMPDIR, ...own, ...anywhere, WELCOME: "true", LOG_LEVEL: "error", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  let [stdout, stderr] = ["", ""];
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-4_096)));
  child.stdout.setEncoding("utf8");
  const ended = (): string | undefined => {
    if (child.exitCode === null && child.signalCode === null) return undefined;
    const lastWords = /FATAL ERROR: .*/.exec(stderr)?.[0] ?? stderr.trim().split("\n").at(-1) ?? "";
    return `${child.signalCode ?? `exit code ${child.exitCode}`} ${lastWords}`.trim();
  };
  const kill = (): void => void child.kill("SIGKILL");
  const dispose = async (): Promise<void> => {
    process.off("exit", kill);
    kill();
    await closed;
  };
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (text: string) => {
      stdout += text;
      if (stdout.includes("Try:")) resolve();
    });
    child.once("close", () => reject(new Error(`the service has not started: ${ended()}`)));
  });
  // What kills this process, an impatient supervisor, is not to leave the service behind.
  process.once("exit", kill);
  await ready;
  const portOf = (name: string): number =>
    Number(new RegExp(`${name}\\s+(?:https?://)?127\\.0\\.0\\.1:(\\d+)`).exec(stdout)?.[1]);
  return {
    pid: child.pid!,
    grpc: portOf("gRPC"),
    http: portOf("JSON"),
    admin: portOf("admin"),
    ended,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Makes users past the service: one by one they would take too long. The first is answered. */
async function createUsers(connection: Connection): Promise<Target["user"]> {
  const id = randomUUID();
  const signal = AbortSignal.timeout(HASH_MS_MAX);
  using place = createPasswords().queue({ principal: "anonymous", signal });
  const [row] = await execute<{ id: string; email: string }>(
    connection,
    `insert into users (id, email, name, password_hash, fingerprint)
     select case n when 1 then $1::uuid else gen_random_uuid() end, 'user' || n || '@example.com',
       repeat('n', 200), $3::text, gen_random_uuid()
     from generate_series(1, $2::int) n
     returning id, email`,
    [id, USERS, await place.hash(randomUUID())],
  );
  return { id, email: row!.email };
}

function toUrl({ host, port, user, password = "", database }: Connection): string {
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
}

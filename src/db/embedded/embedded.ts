import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Connection } from "../../config.ts";
import { connect } from "../engine/connection.ts";
import { holdDirectory, isHeld } from "./directory-lock.ts";
import { createLauncher, findPrograms, type Launcher, type Programs } from "./launcher.ts";
import { collectLog, readPort, startServer, untilEnded, type Server } from "./postmaster.ts";
import { command } from "../engine/statement.ts";
import { systemCodeOf } from "../../system-errors.ts";

/** A PostgreSQL server of our own. Disposal shuts it down and lets go of the directory. */
export type Embedded = {
  /** To its database "commerce", as the role that owns it: no superuser, but it may create databases. */
  readonly connection: Connection;
  /** The server's process. */
  readonly pid: number;
  /** Resolves when the server has ended: with the reason, or with undefined after disposal. Never rejects. */
  readonly exited: Promise<Error | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type EmbeddedOptions = {
  /** Server settings, "name=value". With "fsync=off" the directory is made without syncing it, too. */
  readonly settings?: readonly string[];
  /** Is told of what takes long, in a line. */
  readonly progress?: (line: string) => void;
};

const role = "commerce";

function toConnection(port: number, password: string): Connection {
  return { host: "127.0.0.1", port, user: role, password, database: "commerce", ssl: false };
}

// Iterations slow down guesses at a password. One of 24 random bytes needs no such help, and each connection
// would pay for it.
const setIterations = command("embedded.set_iterations", "set scram_iterations = 1", "postgresql");
// "create role" takes no parameters. The password has no quotes: it is base64url.
const createRole = command(
  "embedded.create_role",
  `create role ${role} login createdb password '<password>'`,
  "postgresql",
);
const createCommerce = command(
  "embedded.create_database",
  `create database commerce owner ${role}`,
  "postgresql",
);

/**
 * Starts the PostgreSQL that came with `npm ci` on a directory, which it makes on first use: durable, on a
 * free port of 127.0.0.1. Starting a second one on the directory fails with an error that names the first.
 * Every failure is an Error of one line.
 *
 * The server ends with this process, also by SIGKILL (on Linux; createLauncher says what happens elsewhere),
 * and a start right after that waits for it. The directory holds `cluster/`, which appears whole or not at
 * all, and the `holder.<n>` file of the process that has it.
 */
export async function startEmbedded(dataDir: string, options: EmbeddedOptions = {}): Promise<Embedded> {
  const directory = path.resolve(dataDir);
  try {
    return await start(directory, options);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error) || error.syscall === undefined) throw error;
    throw new Error(`data directory ${directory} cannot be used: ${error.message}`, { cause: error });
  }
}

/**
 * To the server that another process runs on a directory; undefined where none does, or it does not take
 * connections yet. It may end at any time.
 */
export async function connectRunning(dataDir: string): Promise<Connection | undefined> {
  const cluster = path.join(path.resolve(dataDir), "cluster");
  if (!(await isHeld(path.dirname(cluster)))) return undefined;
  const port = await readPort(path.join(cluster, "data"));
  return port === undefined
    ? undefined
    : toConnection(port, await readFile(path.join(cluster, "password"), "utf8"));
}

async function start(
  directory: string,
  { settings = [], progress = () => {} }: EmbeddedOptions,
): Promise<Embedded> {
  const programs = await findPrograms();
  await makeDirectory(directory);
  await using owned = new AsyncDisposableStack();
  owned.use(await holdDirectory(directory));
  const launcher = await createLauncher(programs, directory);
  const cluster = path.join(directory, "cluster");
  if (!(await readdir(directory)).includes("cluster")) {
    progress(`making a PostgreSQL database in ${directory}, which happens once and takes some seconds`);
    await createCluster(launcher, programs, cluster, settings);
  }
  const password = await readFile(path.join(cluster, "password"), "utf8");
  const server = owned.use(
    await startServer(launcher, programs.postgres, path.join(cluster, "data"), settings),
  );
  const resources = owned.move();
  return {
    connection: toConnection(server.port, password),
    pid: server.pid,
    exited: server.exited,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/**
 * Makes a directory with those above it. Node.js has this (`recursive`), but never ends it where a directory
 * that is there takes no new one, as /proc.
 */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "EEXIST") return;
    const parent = path.dirname(directory);
    if (code !== "ENOENT" || existsSync(parent)) throw error;
    await makeDirectory(parent);
    await makeDirectory(directory);
  }
}

/**
 * Makes the server's files beside their place and moves them there, so that an interrupted first start leaves
 * nothing that looks whole. They are written without syncing and synced once, at the end.
 */
async function createCluster(
  launcher: Launcher,
  programs: Programs,
  cluster: string,
  settings: readonly string[],
): Promise<void> {
  const directory = path.dirname(cluster);
  for (const name of await readdir(directory)) {
    if (!name.startsWith("cluster.new-")) continue;
    // What a killed first start left. Its initdb may still be going, hence the retries and a name of our own.
    await rm(path.join(directory, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
  const draft = await mkdtemp(`${cluster}.new-`);
  try {
    const password = await createPassword(launcher, draft);
    const data = path.join(draft, "data");
    const access = [
      "--username=postgres",
      `--pwfile=${path.join(draft, "password")}`,
      "--auth=scram-sha-256",
    ];
    // Sorted by code point, as CockroachDB does, and the same on every system.
    const sorting = [
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
    ];
    await runInitdb(launcher, programs, [
      "-D",
      data,
      ...access,
      ...sorting,
      "--no-sync",
      "--no-instructions",
    ]);
    await createDatabase(await startServer(launcher, programs.postgres, data, ["fsync=off"]), password);
    if (!settings.includes("fsync=off")) await runInitdb(launcher, programs, ["-D", data, "--sync-only"]);
    await rename(draft, cluster);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Makes the password of the server's roles, and gives the directory that holds it to the server's user. Every
 * user of the machine reaches a port of 127.0.0.1, and a superuser of PostgreSQL runs programs as the
 * server's user.
 */
async function createPassword({ owner }: Launcher, draft: string): Promise<string> {
  const password = randomBytes(24).toString("base64url");
  const file = path.join(draft, "password");
  await writeFile(file, password, { mode: 0o600, flush: true });
  if (owner !== undefined) {
    await chown(file, owner.uid, owner.gid);
    await chown(draft, owner.uid, owner.gid);
  }
  return password;
}

/** Makes the service's role and database, and shuts the server down. */
async function createDatabase(started: Server, password: string): Promise<void> {
  await using server = started;
  const { port } = server;
  const superuser = { ...toConnection(port, password), user: "postgres", database: "postgres" };
  const client = await connect(superuser, { purpose: "creation" });
  try {
    await client.query(setIterations);
    await client.query(createRole.replace("<password>", password));
    await client.query(createCommerce);
  } finally {
    await client.end();
  }
}

async function runInitdb(launcher: Launcher, programs: Programs, args: readonly string[]): Promise<void> {
  const child = launcher.launch(programs.initdb, args);
  const reason = await untilEnded(child, collectLog(child));
  if (child.exitCode !== 0) throw new Error(`initdb failed: ${reason}`);
}

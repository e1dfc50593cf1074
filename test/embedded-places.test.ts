import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startOf } from "../src/db/embedded/directory-lock.ts";
import { startEmbedded } from "../src/db/embedded/embedded.ts";
import { copy, copyClone, failureOf, launch, settings } from "./support/embedded.ts";

const isRoot = process.getuid?.() === 0;

let base: string;
/** A data directory that was used and left in order; a copy of it starts in a tenth of the time. */
let used: string;

beforeAll(async () => {
  base = await mkdtemp(path.join(tmpdir(), "commerce-embedded-"));
  await chmod(base, 0o755);
  used = path.join(base, "used");
  const embedded = await startEmbedded(used, { settings });
  await embedded[Symbol.asyncDispose]();
});

afterAll(async () => {
  await rm(base, { recursive: true });
});

test.runIf(isRoot)("runs below a directory that only root can enter", async () => {
  const closed = path.join(base, "closed");
  const clone = path.join(closed, "clone");
  await mkdir(closed, { mode: 0o700 });
  await copyClone(clone, { withPostgres: true });

  await using holder = await launch(clone, path.join(clone, ".data"));

  expect(await startOf(holder.postgres)).toBeDefined();
});

test.runIf(isRoot)("runs from a clone whose files only root can read", async () => {
  const clone = path.join(base, "masked");
  await copyClone(clone, { withPostgres: true });
  await promisify(execFile)("chmod", ["-R", "go-rwx", clone]);

  await using holder = await launch(clone, path.join(clone, ".data"));

  expect(await startOf(holder.postgres)).toBeDefined();
});

test("says what to do where its programs are not installed", async () => {
  const clone = path.join(base, "production");
  await copyClone(clone, { withPostgres: false });

  const started = launch(clone, path.join(clone, ".data"));

  const advice =
    "is not installed: run `npm ci` with development dependencies, or set DATABASE_URL or CRDB_HOST";
  await expect(started).rejects.toThrow(advice);
});

test("says so where the data directory cannot be made", async () => {
  const file = path.join(base, "file");
  await writeFile(file, "");

  const started = startEmbedded(path.join(file, "data"), { settings });

  const data = path.join(file, "data");
  await expect(started).rejects.toThrow(
    `data directory ${data} cannot be used: ENOTDIR: not a directory, mkdir '${data}'`,
  );
});

// Node's own recursive mkdir never comes back from there.
test.runIf(process.platform === "linux")("says so where a directory takes no other one", async () => {
  await expect(startEmbedded("/proc/commerce/data")).rejects.toThrow(
    /^data directory \/proc\/commerce\/data cannot be used: ENOENT/,
  );
});

test("says so where another major version made the data directory", async () => {
  const directory = await copyUsed("older");
  await writeFile(path.join(directory, "cluster/data/PG_VERSION"), "17\n");

  const started = startEmbedded(directory, { settings });

  const data = path.join(directory, "cluster/data");
  const reason =
    "database files are incompatible with server; " +
    "The data directory was initialized by PostgreSQL version 17, which is not compatible with this version";
  expect((await failureOf(started)).replace(/\d+\.\d+\.$/, "N")).toBe(
    `postgres did not start on ${data}: exit code 1: ${reason} N`,
  );
});

test("repeats what the server says of a setting that it does not know", async () => {
  const started = startEmbedded(await copyUsed("setting"), { settings: ["no_such_setting=1"] });

  await expect(started).rejects.toThrow(
    /^postgres did not start on \S+: exit code 1: unrecognized configuration parameter "no_such_setting"$/,
  );
});

/** The used data directory, copied under a name of its own. */
async function copyUsed(name: string): Promise<string> {
  const directory = path.join(base, name);
  await copy(used, directory);
  return directory;
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startOf } from "../src/db/embedded/directory-lock.ts";
import { startEmbedded } from "../src/db/embedded/embedded.ts";
import { execute } from "./support/databases.ts";
import { copy, failureOf, launch, root, settings, spawnProgram } from "./support/embedded.ts";

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

test("keeps its data between starts", async () => {
  const directory = await copyUsed("kept");
  {
    await using first = await startEmbedded(directory, { settings });
    await execute(first.connection, "create table kept as select 42 as answer");
  }

  await using second = await startEmbedded(directory, { settings });

  expect(await execute(second.connection, "select answer from kept")).toEqual([{ answer: 42 }]);
});

test("serves a durable database to a role that is no superuser", async () => {
  const directory = await copyUsed("role");

  await using embedded = await startEmbedded(directory);

  const sql = `select current_database() as database, usesuper as super, current_setting('fsync') as fsync
    from pg_user where usename = current_user`;
  expect(await execute(embedded.connection, sql)).toEqual([
    { database: "commerce", super: false, fsync: "on" },
  ]);
});

test("refuses a connection without the password", async () => {
  await using embedded = await startEmbedded(await copyUsed("password"), { settings });

  const refused = execute({ ...embedded.connection, password: "postgres" }, "select 1");

  await expect(refused).rejects.toThrow("password authentication failed");
});

test.each([
  ["is empty", ""],
  ["holds zeros", "\0".repeat(64)],
  ["holds something else", "nonsense\n"],
])("starts on a directory whose postmaster.pid %s, as a loss of power leaves it", async (what, text) => {
  const directory = await copyUsed(`pid ${what}`);
  await writeFile(path.join(directory, "cluster/data/postmaster.pid"), text);

  await using embedded = await startEmbedded(directory, { settings });

  expect(await execute(embedded.connection, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("a second start names the process that holds the directory, and since when", async () => {
  const directory = await copyUsed("held");
  await using holder = await launch(root, directory);

  const second = startEmbedded(directory, { settings });

  const message = (await failureOf(second)).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, "TIME");
  const held = `data directory ${directory} is held by process ${holder.pid} since TIME`;
  expect(message).toBe(`${held}: stop it, or choose another DATA_DIR`);
});

test("of five starts at the same moment on a new directory one gets it and the others name it", async () => {
  const directory = path.join(base, "contested");

  const results = await Promise.allSettled(Array.from({ length: 5 }, () => launch(root, directory)));

  const [winner, ...others] = results.flatMap((result) =>
    result.status === "fulfilled" ? [result.value] : [],
  );
  const reasons = results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));
  await winner?.[Symbol.asyncDispose]();
  expect(others).toEqual([]);
  const named = reasons.filter((reason) => reason.includes(`is held by process ${winner?.pid} since`));
  expect(named).toHaveLength(4);
});

test("a process that has a dead holder's pid does not hold the directory", async () => {
  const directory = await copyUsed("reused");
  // Init runs for as long as the system; it did not start at tick 1 after itself.
  await writeFile(path.join(directory, "holder.7"), JSON.stringify({ pid: 1, started: "never", since: "" }));

  await using embedded = await startEmbedded(directory, { settings });

  expect(await execute(embedded.connection, "select 1 as one")).toEqual([{ one: 1 }]);
  expect((await readdir(directory)).toSorted()).toEqual(["cluster", "holder.8"]);
});

test.runIf(process.platform === "linux")(
  "leaves no process behind when it is killed with SIGKILL",
  async () => {
    const holder = await launch(root, await copyUsed("orphan"));

    process.kill(holder.pid, "SIGKILL");

    await expect.poll(() => startOf(holder.postgres)).toBeUndefined();
  },
);

test("waits for the server of a predecessor that was killed with SIGKILL", async () => {
  const directory = await copyUsed("killed");
  const holder = await launch(root, directory);
  // It cannot shut down before the next start has begun.
  process.kill(holder.postgres, "SIGSTOP");
  process.kill(holder.pid, "SIGKILL");
  await holder.ended;

  const starting = startEmbedded(directory, { settings });
  await expect.poll(() => readdir(directory), { interval: 5, timeout: 20_000 }).toContain("holder.3");
  process.kill(holder.postgres, "SIGCONT");
  await using next = await starting;

  expect(await execute(next.connection, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("starts where the lock file of a dead server names a process that is no server", async () => {
  const directory = await copyUsed("pid-reused");
  const { uid } = await stat(path.join(directory, "cluster"));
  const other = spawn("sleep", ["60"], { uid });
  await writeFile(path.join(directory, "cluster/data/postmaster.pid"), `${other.pid}\n`);

  await using embedded = await startEmbedded(directory, { settings });
  other.kill();

  expect(await execute(embedded.connection, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("starts right after its predecessor and the server were killed with SIGKILL", async () => {
  const directory = await copyUsed("both-killed");
  const holder = await launch(root, directory);
  process.kill(holder.postgres, "SIGKILL");
  process.kill(holder.pid, "SIGKILL");
  await holder.ended;

  await using next = await startEmbedded(directory, { settings });

  expect(next.pid).not.toBe(holder.postgres);
});

test("tells when the server died, and starts again while its last statement runs", async () => {
  const directory = await copyUsed("server-killed");
  const embedded = await startEmbedded(directory, { settings });
  const working = execute(embedded.connection, "select count(*) from generate_series(1, 4000000) as a");
  const lost = failureOf(working);
  const running = "select 1 from pg_stat_activity where state = 'active' and query like '%generate%'";
  await expect
    .poll(() => execute(embedded.connection, `${running} and pid <> pg_backend_pid()`))
    .toHaveLength(1);
  process.kill(embedded.pid, "SIGKILL");

  const error = await embedded.exited;
  await embedded[Symbol.asyncDispose]();
  await using next = await startEmbedded(directory, { settings });

  expect(await execute(next.connection, "select 1 as one")).toEqual([{ one: 1 }]);
  expect(error?.message).toBe(`postgres (pid ${embedded.pid}) ended: SIGKILL`);
  await lost;
});

test("an interrupted first start leaves nothing half-made to the next", async () => {
  const directory = path.join(base, "interrupted");
  const child = spawnProgram(root, directory);
  await expect
    .poll(() => readdir(directory).catch(() => []), { interval: 5 })
    .toContainEqual(expect.stringMatching(/^cluster\.new-/));
  child.kill("SIGKILL");
  await once(child, "close");

  await using embedded = await startEmbedded(directory, { settings });

  expect(await execute(embedded.connection, "select 1 as one")).toEqual([{ one: 1 }]);
  expect((await readdir(directory)).toSorted()).toEqual(["cluster", "holder.2"]);
});

/** The used data directory, copied under a name of its own. */
async function copyUsed(name: string): Promise<string> {
  const directory = path.join(base, name);
  await copy(used, directory);
  return directory;
}

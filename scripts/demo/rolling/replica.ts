import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";

const root = path.join(import.meta.dirname, "../../..");

/** Those of `npm start`. */
const flags = ["--expose-gc", "--max-semi-space-size=16"];

/** Where a replica listens. */
export type Place = { readonly grpcPort: number; readonly adminPort: number };

/** What all replicas are given. */
export type Surroundings = {
  readonly databaseUrl: string;
  /** From NOT_SERVING to GOAWAY. */
  readonly drainMs: number;
  /** Kills them, also those that are starting. */
  readonly signal: AbortSignal;
};

/** A process of the service. Disposal kills it. */
export type Replica = AsyncDisposable & {
  readonly place: Place;
  /** Asks it to stop, as an orchestrator does, and resolves with its exit code. */
  readonly stop: () => Promise<number | null>;
};

/**
 * Starts the service as a process of its own on a database, at the place of another one that has ended or on
 * free ports, and resolves when it is ready.
 */
export async function startReplica(
  { databaseUrl, drainMs, signal }: Surroundings,
  place?: Place,
): Promise<Replica> {
  const { HOME, PATH, TMPDIR } = process.env;
  const child = spawn(process.execPath, [...flags, "src/main.ts"], {
    cwd: root,
    signal,
    killSignal: "SIGKILL",
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      HOME,
      PATH,
      TMPDIR,
      DATABASE_URL: databaseUrl,
      GRPC_ADDR: `127.0.0.1:${place?.grpcPort ?? 0}`,
      HTTP_ADDR: "127.0.0.1:0",
      ADMIN_ADDR: `127.0.0.1:${place?.adminPort ?? 0}`,
      SHUTDOWN_DRAIN: `${drainMs}ms`,
      WELCOME: "false",
    },
  });
  // The signal is an error of the process, and no reason not to wait for its end.
  child.on("error", () => {});
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const started = await readStarted(child);
  return {
    place: { grpcPort: portOf(started.grpc), adminPort: portOf(started.admin) },
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await ended;
    },
  };
}

type Started = { readonly grpc: string; readonly admin: string };

/** Reads the line that says where the service listens; all that it logs later is left aside. */
async function readStarted(child: ChildProcess): Promise<Started> {
  const lines: string[] = [];
  for await (const line of createInterface(child.stderr!)) {
    lines.push(line);
    if (!line.includes('"commerce-core is ready')) continue;
    child.stderr!.resume();
    return JSON.parse(line) as Started;
  }
  throw new Error(`a replica has not started: ${lines.at(-1) ?? "it said nothing"}`);
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

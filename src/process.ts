// The process: environment → configuration → server → signal → end. Exit codes: 0 stopped, 1 failed, 2
// misconfigured.
import process from "node:process";
import { ConfigError, parseConfig, type Config } from "./config.ts";
import { toHostPort } from "./rpc/listen.ts";
import type { Server, ServerOptions } from "./server.ts";

/** Writes to people, where they may look; elsewhere the log says the same. */
type Tell = (text: string) => void;

function openTell({ welcome }: Config): Tell | undefined {
  const isLookedAt = process.stdout.isTTY || process.env["npm_lifecycle_event"] === "start";
  return (welcome ?? isLookedAt) ? (text) => void process.stdout.write(text) : undefined;
}

/** Where the database is. */
function toPlace({ database }: Config): string {
  return database.kind === "embedded"
    ? `embedded in ${database.dataDir}`
    : `${toHostPort(database.connection)}/${database.connection.database}`;
}

function toWelcome(config: Config, server: Server): string {
  const seconds = performance.now() / 1000;
  const scheme = config.tls ? "https" : "http";
  const call = `${scheme}://${toHostPort(server.grpc)}/commerce.user.v1.UserService/ListUsers`;
  const workers =
    config.workers > 1 ? `\n  workers                   ${config.workers} processes, led by this one` : "";
  const plain = config.tls ? "" : "--http2-prior-knowledge ";
  const where = toPlace(config);
  return `commerce-core is ready after ${seconds.toFixed(2)} s on ${server.databaseVersion}, ${where}
  gRPC                      ${toHostPort(server.grpc)}
  Connect, gRPC-Web, JSON   ${scheme}://${toHostPort(server.http)}
  admin                     http://${toHostPort(server.admin)} (/livez /readyz /metrics)${workers}
Try:
  npx buf curl ${plain}--protocol grpc -d '{"pageSize": 3}' ${call}
`;
}

/** The fields of the line that says where the service listens. */
function toStarted(config: Config, server: Server): object {
  return {
    grpc: toHostPort(server.grpc),
    http: toHostPort(server.http),
    admin: toHostPort(server.admin),
    tls: config.tls !== undefined,
    auth: config.auth !== undefined,
    workers: config.workers,
    database: { version: server.databaseVersion, place: toPlace(config) },
    start_ms: Math.round(performance.now()),
  };
}

function readConfig(): Config {
  try {
    return parseConfig(process.env);
  } catch (error) {
    return fail(error);
  }
}

function fail(error: unknown): never {
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
  process.stderr.write(`commerce-core failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

/** Starts the service, and loads only what this process needs for it. */
async function start(config: Config, options: ServerOptions): Promise<Server> {
  if (config.workers === 1) return (await import("./server.ts")).startServer(config, options);
  return (await import("./workers/leader.ts")).startLeader(config, options);
}

/** Runs the service until `asked` aborts, for a reason with a message, or it fails. */
export async function run(asked: AbortSignal): Promise<void> {
  const config = readConfig();
  const tell = openTell(config);
  const progress = tell && ((line: string): void => tell(`${line}\n`));
  const server = await start(config, { signal: asked, progress }).catch((error: unknown) =>
    asked.aborted ? undefined : fail(error),
  );
  if (server === undefined) return sayUnready(config, tell);
  const { logger } = server;
  if (tell) tell(toWelcome(config, server));
  else logger.info(toStarted(config, server), "commerce-core is ready: gRPC, Connect, gRPC-Web, JSON");
  process.on("SIGUSR2", server.switchLevel);
  // Returns the memory that only the start used, a fifth of the total, to the machine (with --expose-gc,
  // which `npm start` sets).
  await globalThis.gc?.({ execution: "async", type: "major", flavor: "last-resort" });
  const failure = await Promise.race([server.failed, untilAborted(asked)]);
  if (tell) tell("stopping: calls in flight may finish\n");
  else logger.info({ because: failure?.message ?? (asked.reason as Error).message }, "stopping");
  const drained = await server.stop().catch(fail);
  if (failure !== undefined) fail(failure);
  if (!drained) fail(new Error("some calls had not finished after the grace period and were cut off"));
  if (tell) tell("stopped\n");
  else logger.info("stopped");
}

async function sayUnready({ telemetry }: Config, tell: Tell | undefined): Promise<void> {
  const words = "stopped before it was ready";
  if (tell) return tell(`${words}\n`);
  const { createLogger, identify } = await import("./telemetry/logger.ts");
  createLogger(telemetry, identify(telemetry)).info(words);
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

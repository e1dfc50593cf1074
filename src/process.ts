// The process: environment → configuration → server → signal → end. Exit codes: 0 stopped, 1 failed, 2
// misconfigured.
import process from "node:process";
import { ConfigError, parseConfig, type Config } from "./config.ts";
import { toHostPort } from "./rpc/listen.ts";
import type { Server } from "./server.ts";

function welcome(config: Config, server: Server): string {
  const { database, tls } = config;
  const where =
    database.kind === "embedded"
      ? `embedded in ${database.dataDir}`
      : `${toHostPort(database.connection)}/${database.connection.database}`;
  const seconds = performance.now() / 1000;
  const scheme = tls ? "https" : "http";
  const call = `${scheme}://${toHostPort(server.grpc)}/commerce.user.v1.UserService/ListUsers`;
  const workers =
    config.workers > 1 ? `\n  workers                   ${config.workers} processes, led by this one` : "";
  const plain = tls ? "" : "--http2-prior-knowledge ";
  return `commerce-core is ready after ${seconds.toFixed(2)} s on ${server.databaseVersion}, ${where}
  gRPC                      ${toHostPort(server.grpc)}
  Connect, gRPC-Web, JSON   ${scheme}://${toHostPort(server.http)}
  admin                     http://${toHostPort(server.admin)} (/livez /readyz /metrics)${workers}
Try:
  npx buf curl ${plain}--protocol grpc -d '{"pageSize": 3}' ${call}
`;
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
async function start(config: Config, signal: AbortSignal): Promise<Server> {
  if (config.workers === 1) return (await import("./server.ts")).startServer(config, { signal });
  return (await import("./workers/leader.ts")).startLeader(config, { signal });
}

/** Runs the service until `asked` aborts or it fails. */
export async function run(asked: AbortSignal): Promise<void> {
  const config = readConfig();
  const server = await start(config, asked).catch((error: unknown) =>
    asked.aborted ? undefined : fail(error),
  );
  if (server === undefined) {
    process.stdout.write("stopped before it was ready\n");
    return;
  }
  process.stdout.write(welcome(config, server));
  // Returns the memory that only the start used, a fifth of the total, to the machine (with --expose-gc,
  // which `npm start` sets).
  await globalThis.gc?.({ execution: "async", type: "major", flavor: "last-resort" });
  const failure = await Promise.race([server.failed, untilAborted(asked)]);
  if (failure === undefined) process.stdout.write("stopping: calls in flight may finish\n");
  const drained = await server.stop().catch(fail);
  if (failure !== undefined) fail(failure);
  if (!drained) fail(new Error("some calls had not finished after the grace period and were cut off"));
  process.stdout.write("stopped\n");
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

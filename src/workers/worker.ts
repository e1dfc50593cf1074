import type { Socket } from "node:net";
import process from "node:process";
import { services } from "../bindings.ts";
import type { Config } from "../config.ts";
import { toBeginning } from "../databases.ts";
import { ConfigError } from "../config/problems.ts";
import { sqlstate } from "../db/engine/sqlstate.ts";
import { createHealth } from "../rpc/health.ts";
import { observeConnections } from "../rpc/listen.ts";
import { createTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import { type Serving, startServing } from "../serving.ts";
import { messageOf } from "../system-errors.ts";
import { type Channel, openChannel } from "./channel.ts";
import { createHandedPorts, type HandedPorts } from "./handed-ports.ts";
import type { ToWorker } from "./messages.ts";

type Begin = Extract<ToWorker, { kind: "begin" }>;
type Running = { readonly telemetry: Telemetry; readonly serving: Serving };

/** Serves what the leader hands on, from its first message until it asks for a drain, or has gone. */
export async function work(): Promise<void> {
  const begin = Promise.withResolvers<Begin>();
  const drain = Promise.withResolvers<void>();
  const ports = createHandedPorts();
  let running: Running | undefined;
  const channel = openChannel((message, socket) => {
    if (message.kind === "begin") begin.resolve(message);
    else if (message.kind === "drain") drain.resolve();
    else hear(message, socket, { channel, ports, running });
  });
  // Before it serves, there is nothing to drain.
  const leave = (): never => process.exit(1);
  channel.gone.addEventListener("abort", leave);
  await channel.send({ kind: "hello" });
  const begun = await begin.promise;
  await using resources = new AsyncDisposableStack();
  try {
    running = await start(begun, resources, { channel, ports });
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : undefined;
    await channel.send({ kind: "failed", message: messageOf(error), problems });
    return leave();
  }
  await channel.send({ kind: "ready" });
  // Returns the memory that only the start used, as in process.ts.
  await globalThis.gc?.({ execution: "async", type: "major", flavor: "last-resort" });

  channel.gone.removeEventListener("abort", leave);
  channel.gone.addEventListener("abort", () => drain.resolve());
  if (!channel.gone.aborted) await drain.promise;
  const finished = await running.serving.drain(shutdownOf(begun.config, channel));
  await resources.disposeAsync();
  await channel.send({ kind: "drained", finished });
  process.exit(finished && !channel.gone.aborted ? 0 : 1);
}

async function start(
  { number, config, reached }: Begin,
  resources: AsyncDisposableStack,
  { channel, ports }: { readonly channel: Channel; readonly ports: HandedPorts },
): Promise<Running> {
  const base = { worker: number, pid: process.pid };
  const telemetry = resources.use(await createTelemetry(config.telemetry, undefined, base));
  const beginning = toBeginning(telemetry, resources);
  const serving = await startServing(config, reached, beginning, {
    health: createHealth(services.map((service) => service.typeName)),
    note: createNote(channel),
    open: ports.openVia(channel),
    sweeps: number === 1,
  });
  observeConnections(telemetry, { grpc: serving.grpc, http: serving.http });
  return { telemetry, serving };
}

function hear(
  message: Exclude<ToWorker, { kind: "begin" | "drain" }>,
  socket: Socket | undefined,
  { channel, ports, running }: { channel: Channel; ports: HandedPorts; running: Running | undefined },
): unknown {
  switch (message.kind) {
    case "connection":
      if (socket) ports.hand(message.port, socket);
      return channel.send({ kind: "taken" });
    case "closed":
      return ports.closed(message.port);
    case "found":
      return running?.serving.follow(message);
    case "switch_level":
      return running?.telemetry.switchLevel();
    case "ping":
      return channel.send({ kind: "pong" });
    case "scrape":
      return running?.telemetry
        .metrics()
        .then((metrics) => channel.send({ kind: "metrics", id: message.id, metrics }));
    default:
      return message satisfies never;
  }
}

/** Where nothing hands on connections any more, there is no load balancer to wait for. */
function shutdownOf({ shutdown }: Config, { gone }: Channel): Config["shutdown"] {
  return gone.aborted ? { ...shutdown, drainMs: 0 } : shutdown;
}

/** A full disk fails every write: one of them a second is enough to know. */
const noteEveryMs = 1_000;

/** Passes on the one SQLSTATE that readiness, which is the leader's, wants to know of. */
function createNote(channel: Channel): (code: string) => void {
  let notedMs = -Infinity;
  return (code) => {
    if (code !== sqlstate.diskFull || performance.now() - notedMs < noteEveryMs) return;
    notedMs = performance.now();
    void channel.send({ kind: "note", code });
  };
}

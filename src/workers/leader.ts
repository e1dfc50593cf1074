import { bounds } from "../bounds.ts";
import type { Address, Config } from "../config.ts";
import { toBeginning } from "../databases.ts";
import { type Found, layFoundation, logReadiness, stopOnce, watchReadiness } from "../foundation.ts";
import { createHealth } from "../rpc/health.ts";
import { observeConnections, type Port } from "../rpc/listen.ts";
import { toRefusal } from "../rpc/status.ts";
import { createTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import type { Server, ServerOptions } from "../server.ts";
import { createCrew, type Crew } from "./crew.ts";
import { createHandoff, type Handoff } from "./handoff.ts";
import type { Member } from "./member.ts";
import type { FromWorker, SharedPort } from "./messages.ts";
import { createTotals } from "./totals.ts";

/**
 * Starts the service with workers: processes that serve. This one has what there is once (the admin port, the
 * embedded database, migrations, readiness), accepts the connections and hands them on. If it cannot start it
 * leaves nothing behind and throws an Error with a one-line message.
 */
export async function startLeader(
  config: Config,
  options: Pick<ServerOptions, "signal" | "progress"> = {},
): Promise<Server> {
  await using starting = new AsyncDisposableStack();
  // It serves no calls, so that it has nothing to trace.
  const telemetry = starting.use(await createTelemetry({ ...config.telemetry, traces: undefined }));
  const health = createHealth([], logReadiness(telemetry));
  const ports = createPorts(telemetry);
  const totals = createTotals(telemetry.metrics);
  let note = (_code: string): void => {};
  let found: Found = { reason: "starting", isAway: false };
  const look = (): void => {
    const reason = found.reason ?? (crew.serving().length === 0 ? "no worker serves" : undefined);
    health.set(reason === undefined, reason);
  };
  const crew = createCrew(config, {
    telemetry,
    handoff: ports.handoff,
    onChange: look,
    onEnd: totals.left,
    onMessage(member: Member, message: FromWorker): void {
      if (message.kind === "close") ports.close(message.port);
      if (message.kind === "note") note(message.code);
      if (message.kind === "metrics") totals.answer(member, message.id, message.metrics);
    },
  });
  starting.use(ports);
  starting.use(crew);
  const beginning = toBeginning(telemetry, starting, options);
  const scrape = () => totals.scrape(crew.serving());
  const { admin, reached, readiness, failed } = await layFoundation(config, beginning, { health, scrape });
  note = readiness.note;
  await crew.begin(reached, options.signal);
  const grpc = await ports.open("GRPC_ADDR", config.grpcAddr);
  const http = await ports.open("HTTP_ADDR", config.httpAddr);
  observeConnections(telemetry, { admin });
  // After the ports listen: a load balancer would send calls as soon as readiness says so.
  const follow = (next: Found): void => {
    found = next;
    crew.tell({ kind: "found", reason: next.reason, isAway: next.isAway });
    look();
  };
  starting.use(await watchReadiness(readiness, follow));

  const running = starting.move();
  return {
    logger: telemetry.logger,
    switchLevel: () => switchLevels(telemetry, crew),
    grpc,
    http,
    admin: admin.address,
    databaseVersion: reached.version.text,
    failed: Promise.race([failed, crew.failed]),
    ...stopOnce(async () => {
      health.shutdown();
      ports.startClosing();
      const drained = await crew.drain();
      await running.disposeAsync();
      return drained;
    }),
  };
}

/** Switches the level of this process' log, and of the workers'. */
function switchLevels(telemetry: Telemetry, crew: Crew): void {
  telemetry.switchLevel();
  for (const worker of crew.serving()) worker.send({ kind: "switch_level" });
}

/** The ports for callers. */
function createPorts({ refused }: Telemetry): Disposable & {
  readonly handoff: Handoff;
  readonly open: (name: SharedPort, address: Address) => Promise<Address>;
  /** From now on a port closes when a worker closes it: all drain. */
  readonly startClosing: () => void;
  readonly close: (name: SharedPort) => void;
} {
  const { reason } = bounds.handoffs;
  const handoff = createHandoff((port) =>
    refused(port === "GRPC_ADDR" ? "grpc" : "http", toRefusal(reason, "no worker has taken the connection")),
  );
  const open = new Map<SharedPort, Port>();
  let isClosing = false;
  return {
    handoff,
    async open(name, address) {
      const port = await handoff.open(name, address);
      open.set(name, port);
      return port.address;
    },
    startClosing: () => void (isClosing = true),
    close(name) {
      if (isClosing) void open.get(name)?.close();
    },
    [Symbol.dispose]: () => open.forEach((port) => void port.close()),
  };
}

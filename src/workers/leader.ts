import { bounds } from "../bounds.ts";
import type { Address, Config } from "../config.ts";
import type { Beginning } from "../databases.ts";
import { type Found, layFoundation, stopOnce, watchReadiness } from "../foundation.ts";
import { createHealth } from "../rpc/health.ts";
import { observeConnections, type Port } from "../rpc/listen.ts";
import { toRefusal } from "../rpc/status.ts";
import { createTelemetry, type Telemetry } from "../rpc/telemetry.ts";
import type { Server, ServerOptions } from "../server.ts";
import { createCrew } from "./crew.ts";
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
  { signal }: Pick<ServerOptions, "signal"> = {},
): Promise<Server> {
  await using starting = new AsyncDisposableStack();
  // It serves no calls, so that it has nothing to trace.
  const telemetry = starting.use(await createTelemetry({ ...config, tracesEndpoint: undefined }));
  const health = createHealth([]);
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
  const scrape = () => totals.scrape(crew.serving());
  const beginning: Beginning = { telemetry, resources: starting, signal };
  const foundation = await layFoundation(config, beginning, { health, scrape });
  const { admin, reached, readiness } = foundation;
  note = readiness.note;
  await crew.begin(reached, signal);
  const grpc = await ports.open("GRPC_ADDR", config.grpcAddr);
  const http = await ports.open("HTTP_ADDR", config.httpAddr);
  observeConnections(telemetry, { admin });
  // After the ports listen: a load balancer would send calls as soon as readiness says so.
  const watch = await watchReadiness(readiness, (next) => {
    found = next;
    crew.tell({ kind: "found", reason: next.reason, isAway: next.isAway });
    look();
  });
  starting.use(watch);

  const running = starting.move();
  return {
    grpc,
    http,
    admin: admin.address,
    databaseVersion: reached.version.text,
    failed: Promise.race([foundation.failed, crew.failed]),
    ...stopOnce(async () => {
      health.shutdown();
      ports.startClosing();
      const drained = await crew.drain();
      await running.disposeAsync();
      return drained;
    }),
  };
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

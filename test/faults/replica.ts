import { Http2SessionManager } from "@connectrpc/connect-node";
import { startProxy, type Proxy } from "../support/proxy.ts";
import { createAttempt, type Attempt } from "./caller.ts";
import type { RigDatabase, Service, StartService } from "./services.ts";

/** A service that reaches its database through a proxy of its own, and another one when it has died. */
export type Replica = AsyncDisposable & {
  /** Of the service that runs now. */
  readonly proxy: Proxy;
  readonly service: Service;
  /** Calls the service that runs when the attempt begins. */
  readonly attempt: Attempt;
  /**
   * Dies as with its machine: its callers are cut off, it cancels nothing and ends no session, and what it
   * has sent still reaches the database, which hears of the death `lingerMs` later. Resolves when another
   * service runs in its place.
   */
  die(lingerMs: number): Promise<void>;
};

/** One service, from its start to its death. */
type Life = {
  readonly proxy: Proxy;
  readonly service: Service;
  readonly attempt: Attempt;
  readonly death: AbortController;
};

/** Starts a replica. Disposal waits until all of its services have stopped, also those that died. */
export async function startReplica(database: RigDatabase, start: StartService): Promise<Replica> {
  await using starting = new AsyncDisposableStack();
  const resources = starting.use(new AsyncDisposableStack());
  const begin = async (): Promise<Life> => {
    const proxy = resources.use(await startProxy(database.connection));
    const service = resources.use(await start({ ...database, connection: proxy.connection }));
    const callers = new Http2SessionManager(service.grpcUrl);
    const death = new AbortController();
    death.signal.addEventListener("abort", () => callers.abort());
    return { proxy, service, attempt: createAttempt(service.grpcUrl, callers), death };
  };
  let life = await begin();
  const own = starting.move();
  return {
    get proxy() {
      return life.proxy;
    },
    get service() {
      return life.service;
    },
    attempt: (...call) => attemptIn(life, ...call),
    async die(lingerMs) {
      life.proxy.killClient(lingerMs);
      life.death.abort();
      life.service.kill();
      life = await begin();
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

/** An attempt, which ends with the service that it is made at. */
async function attemptIn(
  { attempt, death }: Life,
  ...[request, options, ...rest]: Parameters<Attempt>
): ReturnType<Attempt> {
  const signals = options.signal ? [options.signal, death.signal] : [death.signal];
  const answer = await attempt(request, { ...options, signal: AbortSignal.any(signals) }, ...rest);
  const isCutOff = death.signal.aborted && answer.outcome.kind === "unknown";
  const outcome = { kind: "unknown", code: "Unavailable", reason: "the replica has died" } as const;
  return isCutOff ? { ...answer, outcome } : answer;
}

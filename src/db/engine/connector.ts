import type { Socket } from "node:net";
import type pg from "pg";
import type { Budget } from "./retry.ts";
import { command } from "./statement.ts";
import { abandonable, toTimeoutMs } from "./timeouts.ts";

/** Connections of node-postgres' pool that are fit for use. */
export type Connector = {
  /**
   * Waits for a connection within the budget. One that has not been used for long is asked for a sign of life
   * first, and each is with `verify`.
   */
  connect(budget: Budget, verify: boolean): Promise<pg.PoolClient>;
  /** Gives a connection back; destroys it if it is not sound or a transaction is open on it. */
  giveBack(client: pg.PoolClient, sound: boolean): void;
  /**
   * Destroys, when their turn comes, all connections that were made before now: their plans do not fit any
   * more, or their server is no longer the one that takes writes. The latter is looked for now and then only,
   * because reads go on meanwhile.
   */
  renew(stale: "plan" | "server" | undefined): void;
};

/**
 * A connection idle for longer is asked for a sign of life before it is used: a balancer may have dropped it.
 */
const unverifiedMsMax = 10_000;
/** A sound server answers within this; else the connection is destroyed and another one taken. */
const verifyMsMax = 500;

/** How often all connections are made again to find a server that takes writes. */
const serverMsMin = 500;

const selectNothing = command("pool.sign_of_life", "select 1");

/** Takes connections from a pool. */
export function createConnector(pool: pg.Pool): Connector {
  const madeAt = new WeakMap<pg.PoolClient, number>();
  const usedAt = new WeakMap<pg.PoolClient, number>();
  let renewedAt = -Infinity;
  pool.on("connect", (client) => madeAt.set(client, performance.now()));

  const isFresh = (client: pg.PoolClient): boolean => madeAt.get(client)! > renewedAt;
  const isInUse = (client: pg.PoolClient): boolean => {
    const now = performance.now();
    return now - (usedAt.get(client) ?? now) < unverifiedMsMax;
  };
  return {
    async connect(budget, verify) {
      for (;;) {
        const client = await abandonable(pool.connect(), budget, (late) => late.release());
        const isTrusted = !verify && isInUse(client);
        if (isFresh(client) && (isTrusted || (await isAlive(client, budget)))) return client;
        discard(client);
      }
    },
    giveBack(client, sound) {
      usedAt.set(client, performance.now());
      if (sound && client.getTransactionStatus() === "I") client.release();
      else discard(client);
    },
    renew(stale) {
      const now = performance.now();
      if (stale === "plan" || (stale === "server" && now - renewedAt > serverMsMin)) renewedAt = now;
    },
  };
}

/** What node-postgres and, of a socket with TLS, Node.js keep without declaring it. */
type Internals = { readonly connection: { readonly stream: Socket & { readonly ["_parent"]?: Socket } } };

/**
 * Destroys a connection together with what the kernel still holds for it: else that would be sent again and
 * again until it arrives, long after its caller has been told something else. Of a connection with TLS the
 * socket is the one below.
 */
function discard(client: pg.PoolClient): void {
  const { stream } = (client as unknown as Internals).connection;
  const socket = stream["_parent"] ?? stream;
  // Nothing is on its way in a Unix socket, nor in one that is not connected.
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
  client.release(true);
}

async function isAlive(client: pg.PoolClient, { deadlineMs }: Budget): Promise<boolean> {
  const waitMs = Math.min(verifyMsMax, toTimeoutMs(deadlineMs));
  // After a pause of this process the timer comes first, and then the answer that has long been there.
  const timeout = new Promise<false>((resolve) => {
    setTimeout(() => setImmediate(resolve, false), waitMs).unref();
  });
  const answer = client.query(selectNothing).then(
    () => true,
    () => false,
  );
  return Promise.race([answer, timeout]);
}

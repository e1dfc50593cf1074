import type { Socket } from "node:net";
import type pg from "pg";
import type { Engine } from "../../config.ts";
import { abandonable, toTimeoutMs, type Deadline } from "./deadline.ts";
import type { Stale } from "./judge.ts";
import { identifySession, type Session } from "./session.ts";
import { command } from "./statement.ts";

/** A connection and the session that it has on the server. */
type Connected = { readonly client: pg.PoolClient; readonly session: Session };

/** Connections of node-postgres' pool that are fit for use. */
export type Connector = {
  /**
   * Waits for a connection until the deadline. One that has not been used for long is asked for a sign of
   * life first, and each is with `verify`.
   */
  connect(deadline: Deadline, verify: boolean): Promise<Connected>;
  /** Gives a connection back; destroys it if it is not sound or a transaction is open on it. */
  giveBack(client: pg.PoolClient, sound: boolean): void;
  /**
   * Destroys, when their turn comes, all connections that were made before now: their plans do not fit any
   * more, or their server is no longer the one that takes writes. The latter is looked for now and then only,
   * because reads go on meanwhile.
   */
  renew(stale: Stale | undefined): void;
};

/**
 * A connection idle for longer is asked for a sign of life before it is used: a balancer may have dropped it.
 */
const unverifiedMsMax = 10_000;
/**
 * A sound server answers within this, also on a new connection, which says which session it has; else the
 * connection is destroyed and another one taken.
 */
const verifyMsMax = 500;

/** How often all connections are made again to find a server that takes writes. */
const serverMsMin = 500;

const selectNothing = command("pool.sign_of_life", "select 1");

/** Takes connections from a pool. */
export function createConnector(pool: pg.Pool, engine: Engine): Connector {
  const sessions = new WeakMap<pg.ClientBase, Session & { readonly madeAt: number }>();
  const usedAt = new WeakMap<pg.PoolClient, number>();
  let renewedAt = -Infinity;
  // oxlint-disable-next-line typescript/no-misused-promises -- the pool awaits it, though its types say void
  pool.options.onConnect = async (client) => {
    const madeAt = performance.now();
    try {
      sessions.set(client, { ...(await inTime(identifySession(client, engine), verifyMsMax)), madeAt });
    } catch (error) {
      resetSocket(client);
      throw error;
    }
  };

  const wasUsed = (client: pg.PoolClient, { madeAt }: { readonly madeAt: number }): boolean =>
    performance.now() - (usedAt.get(client) ?? madeAt) < unverifiedMsMax;
  return {
    async connect(deadline, verify) {
      for (;;) {
        const client = await abandonable(pool.connect(), deadline, (late) => late.release());
        const session = sessions.get(client);
        if (session && session.madeAt > renewedAt) {
          const isTrusted = !verify && wasUsed(client, session);
          if (isTrusted || (await isAlive(client, deadline))) return { client, session };
        }
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
  resetSocket(client);
  client.release(true);
}

function resetSocket(client: pg.ClientBase): void {
  const { stream } = (client as unknown as Internals).connection;
  const socket = stream["_parent"] ?? stream;
  // Nothing is on its way in a Unix socket, nor in one that is not connected.
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

async function isAlive(client: pg.PoolClient, { deadlineMs }: Deadline): Promise<boolean> {
  const waitMs = Math.min(verifyMsMax, toTimeoutMs(deadlineMs));
  return inTime(client.query(selectNothing), waitMs).then(
    () => true,
    () => false,
  );
}

/** Waits so long for an answer; after a pause of this process an answer that is there wins over the timer. */
async function inTime<T>(answer: Promise<T>, ms: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(new Error("the connection does not answer"));
  const timer = setTimeout(() => setImmediate(giveUp), ms).unref();
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

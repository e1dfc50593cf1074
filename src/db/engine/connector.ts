import type { Socket } from "node:net";
import type pg from "pg";
import type { Engine } from "../../config.ts";
import { abandonable, toTimeoutMs, type Deadline } from "./deadline.ts";
import { toIdleFault, type Stale } from "./judge.ts";
import type { NodeFault, Nodes } from "./nodes.ts";
import { identifySession, type Session } from "./session.ts";
import { command } from "./statement.ts";

/** The session that a connection has on the server, and since when. */
type Known = Session & { readonly madeAt: number };
type Connected = { readonly client: pg.PoolClient; readonly session: Known };

/** Connections of node-postgres' pool that are fit for use. */
export type Connector = {
  /**
   * Waits for a connection until the deadline. One that has not been used for long is asked for a sign of
   * life first, and so is each with `verify`, or if its node is suspected. Of nodes that fail, none is handed
   * out while there are others.
   */
  connect(deadline: Deadline, verify: boolean): Promise<Connected>;
  /**
   * Gives a connection back; destroys it if it is not sound or a transaction is open on it, or if its node
   * fails or has too many.
   */
  giveBack(connected: Connected, sound: boolean, nodeFault?: NodeFault): void;
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

/**
 * Connecting, TLS and authentication included. With the half second in which a new connection says which
 * session it has, it is half of the default deadline, so that there is a second try.
 */
const connectMsMax = 2_000;
/** While a node fails, which a balancer may go on leading to: another one is connected to sooner. */
const connectMsMaxFailing = 500;

/** New connections in a row that are closed because a node was reached that fails: then it is used. */
const landingsMax = 3;

/** Takes connections from a pool. */
export function createConnector(pool: pg.Pool, engine: Engine, nodes: Nodes): Connector {
  const sessions = new WeakMap<pg.ClientBase, Known>();
  const usedAt = new WeakMap<pg.PoolClient, number>();
  let renewedAt = -Infinity;
  const onConnect = async (client: pg.ClientBase): Promise<void> => {
    const madeAt = performance.now();
    try {
      sessions.set(client, { ...(await inTime(identifySession(client, engine), verifyMsMax)), madeAt });
    } catch (error) {
      resetSocket(client);
      throw error;
    }
  };
  // The pool awaits it, though its types say that it returns nothing.
  Object.assign(pool.options, { onConnect });
  followNodes(pool, nodes, sessions);
  const make = limitConnecting(pool, nodes);

  const wasUsed = (client: pg.PoolClient, { madeAt }: Known): boolean =>
    performance.now() - (usedAt.get(client) ?? madeAt) < unverifiedMsMax;
  return {
    async connect(deadline, verify) {
      for (let landings = 0; ;) {
        const client = await abandonable(make(), deadline, (late) => late.release());
        const session = sessions.get(client);
        if (session && session.madeAt > renewedAt) {
          const { node, madeAt } = session;
          const isNew = !usedAt.has(client);
          const mayUse = isNew ? nodes.mayTry(node) || ++landings >= landingsMax : nodes.mayUse(node, madeAt);
          const isSuspected = nodes.isSuspected(node);
          const isTrusted = !verify && !isSuspected && wasUsed(client, session);
          if (mayUse && (isTrusted || (await isAlive(client, deadline)))) return { client, session };
          // Else a balancer may have dropped it.
          if (mayUse && isSuspected) nodes.failed(node, madeAt, "silent");
        }
        discard(client);
      }
    },
    giveBack({ client, session: { node, madeAt } }, sound, nodeFault) {
      usedAt.set(client, performance.now());
      const isSound = sound && client.getTransactionStatus() === "I";
      if (nodeFault) nodes.failed(node, madeAt, nodeFault);
      else if (isSound) nodes.answered(node, madeAt);
      if (!isSound) discard(client);
      else client.release(!nodes.mayUse(node, madeAt) || nodes.retires(node));
    },
    renew(stale) {
      const now = performance.now();
      if (stale === "plan" || (stale === "server" && now - renewedAt > serverMsMin)) renewedAt = now;
    },
  };
}

/**
 * Bounds how long the pool takes to connect. While a node fails that is less, and twice as long after each
 * connection that was not made, until one is: the nodes that do not fail may be far away, or busy.
 */
function limitConnecting(pool: pg.Pool, nodes: Nodes): () => Promise<pg.PoolClient> {
  let failingMs = connectMsMaxFailing;
  // Read by the pool for each connection that it makes.
  Object.defineProperty(pool.options, "connectionTimeoutMillis", {
    get: () => (nodes.areFailing() ? failingMs : connectMsMax),
  });
  pool.on("connect", () => void (failingMs = connectMsMaxFailing));
  return () => {
    const connecting = pool.connect();
    connecting.catch(() => void (failingMs = Math.min(2 * failingMs, connectMsMax)));
    return connecting;
  };
}

/** Tells of connections that are made and closed, and of what nodes say on those that are idle. */
function followNodes(pool: pg.Pool, nodes: Nodes, sessions: WeakMap<pg.ClientBase, Known>): void {
  // Without a session it has not become one of the pool's.
  pool.on("connect", (client) => nodes.opened(sessions.get(client)!.node));
  pool.on("remove", (client) => {
    const session = sessions.get(client);
    if (session) nodes.closed(session.node);
  });
  pool.on("error", (error, client) => {
    const session = sessions.get(client);
    const fault = toIdleFault(error);
    if (session && fault) nodes.failed(session.node, session.madeAt, fault);
  });
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

import { createServer, type Socket } from "node:net";
import { bounds } from "../bounds.ts";
import type { Address } from "../config.ts";
import { listen, type Port, SOCKETS } from "../rpc/listen.ts";
import { toPeer } from "../rpc/peers.ts";
import { createShares } from "../shares.ts";
import type { SharedPort, ToWorker } from "./messages.ts";

/** A connection that waits for a worker; `done` frees its place. */
type Waiting = { readonly port: SharedPort; readonly socket: Socket; readonly done: () => void };
/** What a worker is sent in its turn. */
type Item = Waiting | { readonly port: SharedPort; readonly socket?: undefined };

/** The connections of one worker, on their way to it. */
export type Lane = {
  /** Those that the worker has not taken yet. */
  readonly length: () => number;
  /** Whether the worker has been sent one and does not take it. */
  readonly isStuck: () => boolean;
  /** The worker has taken the last one that it was sent. */
  readonly taken: () => void;
  /** Tells the worker, behind all connections that wait for it, that no more come of a port. */
  readonly close: (port: SharedPort) => void;
  /** The worker takes no more: what it has not been sent goes to others. */
  readonly leave: () => void;
};

/** Hands the connections of ports to workers. */
export type Handoff = {
  /** Adds a worker that takes connections. */
  readonly enter: (send: (message: ToWorker, socket?: Socket) => void) => Lane;
  /** Opens a port, or throws an error of one line. */
  readonly open: (name: SharedPort, address: Address) => Promise<Port>;
};

/** How many more connections than the others a worker may have to take before it is passed over. */
const aheadMax = 8;
/** A busy worker takes a connection within milliseconds: one that takes longer may be about to die. */
const takeMsMax = 1_000;

/**
 * Connections go to the workers in turn, for each port, because those of gRPC are few and live long: where
 * each process accepts what it can get, as with SO_REUSEPORT or a shared socket, one may have three of four.
 * A worker that is busy is passed over only when it lags behind, or is stuck; then it also loses what waits
 * for it, which would wait until it is killed.
 *
 * A connection is sent once the worker has taken the one before, and stays open here until it is taken. So
 * those of a worker that dies go to another one, but for the one that it may have begun to read, which is
 * closed: node:cluster would leave that one open without a reader, and bounds neither queue.
 */
export function createHandoff(refused: (port: SharedPort) => void): Handoff {
  const lanes: (Lane & { readonly push: (waiting: Waiting) => void })[] = [];
  /** Connections that came while there was no worker. */
  const stranded: Waiting[] = [];
  const turns = new Map<SharedPort, number>();
  const places = createShares<string>({ max: bounds.handoffs.max, floor: bounds.handoffsFloor.max });

  const hand = (waiting: Waiting): void => {
    const { port } = waiting;
    const awake = lanes.filter((lane) => !lane.isStuck());
    const able = awake.length > 0 ? awake : lanes;
    const shortest = Math.min(...able.map((lane) => lane.length()));
    const fit = able.filter((lane) => lane.length() <= shortest + aheadMax);
    const turn = turns.get(port) ?? 0;
    turns.set(port, turn + 1);
    const lane = fit[turn % fit.length];
    if (lane) lane.push(waiting);
    else stranded.push(waiting);
  };
  const accept = (port: SharedPort, socket: Socket): void => {
    const peer = toPeer(socket.remoteAddress ?? "");
    if (places.take(peer)) return hand({ port, socket, done: () => places.release(peer) });
    refused(port);
    socket.destroy();
  };

  return {
    enter(send) {
      const { leave, unload, ...lane } = createLane(send, () => {
        // Where all are stuck, connections would only change places.
        if (lanes.some((each) => !each.isStuck())) unload().forEach(hand);
      });
      const own = {
        ...lane,
        leave(): void {
          const at = lanes.indexOf(own);
          if (at >= 0) lanes.splice(at, 1);
          leave().forEach(hand);
        },
      };
      lanes.push(own);
      stranded.splice(0).forEach(hand);
      return own;
    },
    async open(port, address) {
      // Nothing is read before the worker does.
      const options = { ...SOCKETS, pauseOnConnect: true };
      const server = createServer(options, (socket) => accept(port, socket));
      return {
        address: await listen(server, address, port),
        close: async () => void server.close(),
      };
    },
  };
}

function createLane(send: (message: ToWorker, socket?: Socket) => void, onStuck: () => void) {
  let queue: Item[] = [];
  let sent: Waiting | undefined;
  let isStuck = false;
  let timer: NodeJS.Timeout | undefined;
  const isWaiting = (item: Item): item is Waiting => item.socket !== undefined;
  const next = (): void => {
    while (sent === undefined) {
      const first = queue.shift();
      if (first === undefined) return;
      if (first.socket) {
        sent = first;
        timer = setTimeout(() => {
          isStuck = true;
          onStuck();
        }, takeMsMax).unref();
        send({ kind: "connection", port: first.port }, first.socket);
      } else send({ kind: "closed", port: first.port });
    }
  };
  const push = (item: Item): void => {
    queue.push(item);
    next();
  };
  const end = (): void => {
    // The worker has a descriptor of its own.
    sent?.socket.destroy();
    sent?.done();
    sent = undefined;
    isStuck = false;
    clearTimeout(timer);
  };
  const unload = (): Waiting[] => {
    const waiting = queue.filter(isWaiting);
    queue = queue.filter((item) => !isWaiting(item));
    return waiting;
  };
  return {
    length: () => queue.length + (sent ? 1 : 0),
    isStuck: () => isStuck,
    push,
    taken(): void {
      end();
      next();
    },
    close: (port: SharedPort) => push({ port }),
    leave(): Waiting[] {
      end();
      return unload();
    },
    unload,
  };
}

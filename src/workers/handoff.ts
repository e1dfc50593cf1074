import { createServer, type Socket } from "node:net";
import { bounds } from "../bounds.ts";
import type { Address } from "../config.ts";
import { listen, type Port, SOCKETS } from "../rpc/listen.ts";
import type { SharedPort, ToWorker } from "./messages.ts";

/** A connection that waits for a worker or, without a socket, the news that there are no more of its port. */
type Waiting = { readonly port: SharedPort; readonly socket: Socket | undefined };

/** The connections of one worker, on their way to it. */
export type Lane = {
  /** Those that the worker has not taken yet. */
  readonly length: () => number;
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

/**
 * Connections go to the workers in turn, for each port, because those of gRPC are few and live long: where
 * each process accepts what it can get, as with SO_REUSEPORT or a shared socket, one may have three of four.
 * A worker that is busy is passed over only when it lags behind.
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

  const hand = (waiting: Waiting): void => {
    const { port, socket } = waiting;
    const shortest = Math.min(...lanes.map((lane) => lane.length()));
    const fit = lanes.filter((lane) => lane.length() <= shortest + aheadMax);
    const turn = turns.get(port) ?? 0;
    turns.set(port, turn + 1);
    const lane = fit[turn % fit.length];
    if ((lane?.length() ?? stranded.length) >= bounds.handoffs.max) {
      refused(port);
      socket?.destroy();
    } else if (lane) lane.push(waiting);
    else stranded.push(waiting);
  };

  return {
    enter(send) {
      const { leave, ...lane } = createLane(send);
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
      const server = createServer(options, (socket) => hand({ port, socket }));
      return {
        address: await listen(server, address, port),
        close: async () => void server.close(),
      };
    },
  };
}

function createLane(send: (message: ToWorker, socket?: Socket) => void) {
  const queue: Waiting[] = [];
  let sent: Socket | undefined;
  const next = (): void => {
    while (sent === undefined) {
      const first = queue.shift();
      if (first === undefined) return;
      const { port, socket } = first;
      if (socket) send({ kind: "connection", port }, (sent = socket));
      else send({ kind: "closed", port });
    }
  };
  const push = (waiting: Waiting): void => {
    queue.push(waiting);
    next();
  };
  const end = (): void => {
    // The worker has a descriptor of its own.
    sent?.destroy();
    sent = undefined;
  };
  return {
    length: () => queue.length + (sent ? 1 : 0),
    push,
    taken(): void {
      end();
      next();
    },
    close: (port: SharedPort) => push({ port, socket: undefined }),
    leave(): Waiting[] {
      end();
      return queue.splice(0).filter(({ socket }) => socket !== undefined);
    },
  };
}

import type { Socket } from "node:net";
import { bounds } from "../bounds.ts";
import { toPeer } from "./peers.ts";
import type { Refused } from "./refusals.ts";
import { toRefusal } from "./status.ts";

/** Limits of a port's connections; times in milliseconds. */
export type ConnectionLimits = {
  readonly max: number;
  /** From one address. */
  readonly peerMax: number;
  readonly openingMsMax?: number;
  readonly firstCallMsMax?: number;
  readonly idleMsMax?: number;
  readonly closingMsMax?: number;
};

/** A connection as its port sees it. The protocol's server reports what happens on it. */
export type Connection = {
  /** Reports a further step of opening, or that the connection is open and may wait for its first call. */
  readonly step: (step: "opening" | "open") => void;
  readonly callBegins: () => void;
  readonly callEnds: () => void;
  readonly calls: () => number;
  /** Whether it has been told to close. */
  readonly isClosing: () => boolean;
  /** Sets how to tell it to close; until then its socket is destroyed instead. */
  readonly closeBy: (close: () => void) => void;
  /** From now on bytes that belong to no call are bounded; a connection that sends more is cut. */
  readonly boundIdleBytes: () => void;
};

/** The connections of a port. Disposing stops the sweep of idle connections, and closes none. */
export type Connections = Disposable & {
  /** Undefined if there is no room; the socket has then been destroyed. */
  readonly admit: (socket: Socket) => Connection | undefined;
  readonly count: () => number;
  /** Resolves when there is none. */
  readonly untilNone: () => Promise<void>;
  readonly destroy: () => void;
};

type Held = {
  readonly socket: Socket;
  readonly peer: string;
  readonly connection: Connection;
  readonly close: () => void;
  /** Time of the last step or call, by performance.now(). */
  readonly sinceMs: () => number;
  readonly msMax: () => number;
  /** Whether it has sent too many bytes since the last sweep without a call. */
  readonly isFlooding: () => boolean;
};

/** The longest time in each state without a call, in milliseconds. */
type Times = { readonly opening: number; readonly open: number; readonly idle: number };

/** The connections of one state, longest in it first. */
type Line = Set<Held>;

/**
 * Bounds the connections of a port, in all and per peer. A new connection above a bound replaces the one that
 * has been idle longest, preferring connections that never had a call. It is refused only if calls run on all
 * of them.
 */
export function createConnections(limits: ConnectionLimits, refused: Refused): Connections {
  const { max, peerMax } = limits;
  const times: Times = {
    opening: limits.openingMsMax ?? bounds.openingMs.max,
    open: limits.firstCallMsMax ?? bounds.firstCallMs.max,
    idle: limits.idleMsMax ?? bounds.idleMs.max,
  };
  const register = createRegister(limits.closingMsMax ?? bounds.closingMs.max);
  const { all, fresh, idle, closing } = register;
  const makeRoom = (peer: string): boolean => {
    const isPeerFull = register.countOf(peer) >= peerMax;
    if (isPeerFull || all.size - closing.size >= max) {
      const longest = find(fresh, isPeerFull, peer) ?? find(idle, isPeerFull, peer);
      if (!longest) return false;
      register.dismiss(longest);
    }
    if (all.size < max + bounds.closingConnections.max) return true;
    const eldest = [...closing].find(({ connection }) => connection.calls() === 0);
    eldest?.socket.destroy();
    if (eldest) register.leave(eldest);
    return eldest !== undefined;
  };
  const cut = ({ socket }: Held): void => {
    const words = "this connection sends too many bytes that belong to no call";
    refused(toRefusal(bounds.idleBytes.reason, words));
    socket.destroy();
  };
  const sweep = (): void => {
    const nowMs = performance.now();
    for (const line of [fresh, idle])
      for (const held of line) {
        if (held.isFlooding()) cut(held);
        else if (nowMs - held.sinceMs() > held.msMax()) register.dismiss(held);
      }
  };
  const timer = setInterval(sweep, Math.min(SWEEP_MS, ...Object.values(times).map((ms) => ms / 8))).unref();

  return {
    admit(socket) {
      // A socket that is closed already has no address.
      const peer = toPeer(socket.remoteAddress ?? "");
      if (!makeRoom(peer)) {
        refused(toRefusal(bounds.closingConnections.reason, "this port has no room"));
        socket.destroy();
        return undefined;
      }
      const held = hold(socket, peer, register, times);
      register.enter(held);
      socket.once("close", () => all.has(held) && register.leave(held));
      return held.connection;
    },
    count: () => all.size,
    untilNone: register.untilNone,
    destroy: () => all.forEach(({ socket }) => socket.destroy()),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** The connections by their state. */
type Register = {
  readonly all: ReadonlySet<Held>;
  /** Connections without a first call. */
  readonly fresh: Line;
  readonly idle: Line;
  readonly closing: Line;
  /** Connections of a peer, without closing ones. */
  readonly countOf: (peer: string) => number;
  readonly enter: (held: Held) => void;
  /** Tells a connection to close, and destroys it if it stays too long. */
  readonly dismiss: (held: Held) => void;
  readonly leave: (held: Held) => void;
  readonly untilNone: () => Promise<void>;
};

function createRegister(closingMsMax: number): Register {
  const all = new Set<Held>();
  const [fresh, idle, closing]: [Line, Line, Line] = [new Set(), new Set(), new Set()];
  const byPeer = new Map<string, number>();
  const waiting: (() => void)[] = [];
  const countOf = (peer: string): number => byPeer.get(peer) ?? 0;
  const count = (peer: string, by: number): void => {
    if (countOf(peer) + by > 0) byPeer.set(peer, countOf(peer) + by);
    else byPeer.delete(peer);
  };
  return {
    all,
    fresh,
    idle,
    closing,
    countOf,
    enter(held) {
      all.add(held);
      fresh.add(held);
      count(held.peer, 1);
    },
    dismiss(held) {
      fresh.delete(held);
      idle.delete(held);
      closing.add(held);
      count(held.peer, -1);
      held.close();
      // A call that it has begun since then may be a stream without an end.
      setTimeout(() => held.socket.destroy(), closingMsMax).unref();
    },
    leave(held) {
      all.delete(held);
      fresh.delete(held);
      idle.delete(held);
      if (!closing.delete(held)) count(held.peer, -1);
      if (all.size === 0) waiting.splice(0).forEach((resolve) => resolve());
    },
    untilNone: () => new Promise((resolve) => (all.size === 0 ? resolve() : waiting.push(resolve))),
  };
}

/**
 * Interval in milliseconds of the sweep for connections that are idle too long or send bytes outside of
 * calls.
 */
const SWEEP_MS = 250;

function find(line: Line, isOfPeer: boolean, peer: string): Held | undefined {
  for (const held of line) if (!isOfPeer || held.peer === peer) return held;
  return undefined;
}

/** Creates the record of a new connection, which moves between the lines as its calls begin and end. */
function hold(socket: Socket, peer: string, { fresh, idle, closing }: Register, times: Times): Held {
  // Spreads the ends of connections that began together, as after a start of the service.
  const spread = 1 + Math.random() / 10;
  let calls = 0;
  let sinceMs = performance.now();
  let msMax = times.opening;
  let close = (): void => void socket.destroy();
  // State at the last sweep; undefined if bytes without a call are not bounded.
  let seen: { readonly bytes: number; readonly sinceMs: number } | undefined;
  const look = () => ({ bytes: socket.bytesRead, sinceMs });
  const isFlooding = (): boolean => {
    if (!seen) return false;
    const last = seen;
    seen = look();
    return last.sinceMs === sinceMs && seen.bytes - last.bytes > bounds.idleBytes.max;
  };
  const connection: Connection = {
    step(step) {
      sinceMs = performance.now();
      msMax = step === "opening" ? times.opening : times.open * spread;
    },
    callBegins() {
      calls += 1;
      if (calls > 1) return;
      fresh.delete(held);
      idle.delete(held);
    },
    callEnds() {
      calls -= 1;
      if (calls > 0 || closing.has(held) || socket.destroyed) return;
      sinceMs = performance.now();
      msMax = times.idle * spread;
      idle.add(held);
    },
    calls: () => calls,
    isClosing: () => closing.has(held),
    closeBy: (by) => (close = by),
    boundIdleBytes: () => void (seen = look()),
  };
  const held: Held = {
    socket,
    peer,
    connection,
    close: () => close(),
    sinceMs: () => sinceMs,
    msMax: () => msMax,
    isFlooding,
  };
  return held;
}

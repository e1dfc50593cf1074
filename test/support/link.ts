import type { Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import type { Fault } from "./fault.ts";
import * as wire from "./wire.ts";
import { readMessages, type Message, type Status } from "./wire.ts";

/** One client and the server's end of its connection. */
export type Link = {
  readonly client: Socket;
  readonly server: Socket;
  readonly options: LinkOptions;
  /** Which of the server's messages the client gets. */
  passes: (message: Message) => boolean;
  /** Set when neither side sees any more what the other one does. */
  severed: boolean;
  /** Set when the client has died: how long the server keeps the connection after what was sent to it. */
  lingerMs: number | undefined;
  /** Set until the client has all of its answer: what an idle one is told must not get into the middle. */
  busy: boolean;
  /** What the server said last; undefined until it has let the client in. */
  status: Status | undefined;
  /** Resolves when the server is ready again, or gone. */
  ready: PromiseWithResolvers<void>;
};

export type LinkOptions = {
  /** Asked about each statement. */
  readonly decide: (statement: string) => Fault | undefined;
  /** Whether each byte goes alone. */
  readonly isSliced: () => boolean;
};

/** How long a node that drains keeps a connection after it has said so. */
const drainMs = 60;

const nothing = (): boolean => false;
const everything = (): boolean => true;

/** Links two sockets; nothing moves yet. */
export function createLink(client: Socket, server: Socket, options: LinkOptions): Link {
  const ready = Promise.withResolvers<void>();
  const initial = { passes: everything, severed: false, busy: false, status: undefined, lingerMs: undefined };
  return { client, server, options, ready, ...initial };
}

/** Carries what a client and the server say, from the client's greeting until both are gone. */
export async function relay(link: Link, greeting: Message, requests: AsyncIterable<Message>): Promise<void> {
  await write(link, link.server, greeting.bytes);
  await Promise.all([relayAnswers(link), relayRequests(link, requests)]);
}

/** Carries a cancellation. The client waits for the server to close: it has done then what it can. */
export function cancel(client: Socket, server: Socket, request: Message): void {
  server.on("close", () => client.end()).resume();
  server.write(request.bytes);
}

/** Ends a connection as a server that shuts down: it says so and closes. */
export function end(link: Link, code: string): void {
  link.passes = nothing;
  link.client.end(wire.errorResponse("FATAL", code));
  link.server.destroy();
}

/**
 * Lets a client die: it hears nothing any more and says nothing more. What it has sent still reaches the
 * server, which hears of the death after that.
 */
export function killClient(link: Link, lingerMs: number): void {
  link.lingerMs = lingerMs;
  sever(link);
  reset(link.client);
}

/** Whether nothing happens on a connection and no transaction is open. */
export function isIdle({ status, busy, severed }: Link): boolean {
  return status === "I" && !busy && !severed;
}

/** Resolves when the bytes have left, or cannot any more. */
async function write({ options }: Link, socket: Socket, bytes: Buffer): Promise<void> {
  if (!options.isSliced()) return send(socket, bytes);
  for (const byte of bytes) {
    await send(socket, Buffer.of(byte));
    await nextTurn();
  }
}

function send(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()));
}

async function relayAnswers(link: Link): Promise<void> {
  try {
    for await (const message of readMessages(link.server, "server")) {
      const isReady = message.type === "Z";
      if (isReady) link.status = wire.readStatus(message);
      if (link.passes(message)) {
        await write(link, link.client, message.bytes);
        link.busy &&= !isReady;
      }
      if (isReady) link.ready.resolve();
    }
    if (!link.severed) link.client.end();
  } catch {
    if (!link.severed) reset(link.client);
  }
  link.ready.resolve();
}

async function relayRequests(link: Link, requests: AsyncIterable<Message>): Promise<void> {
  let exchange: Message[] = [];
  try {
    for await (const message of requests) {
      if (link.severed) continue;
      // Until the server has let the client in, they take turns by rules of their own.
      if (link.status === undefined || message.type === "X") await write(link, link.server, message.bytes);
      else exchange.push(message);
      if (!wire.endsExchange(message)) continue;
      link.busy = true;
      await carry(link, exchange);
      exchange = [];
    }
    if (link.severed) link.client.destroy();
    else link.server.end();
  } catch {
    if (!link.severed) link.server.destroy();
  }
  if (link.lingerMs === undefined) return;
  await wait(link.lingerMs);
  link.server.end();
}

/** Carries one exchange, with the fault that is decided for it. */
async function carry(link: Link, messages: readonly Message[]): Promise<void> {
  const bytes = Buffer.concat(messages.map((message) => message.bytes));
  const statement = wire.readStatement(messages);
  const fault = link.options.decide(statement);
  switch (fault?.kind) {
    case undefined:
      return converse(link, bytes);
    case "delay":
      await wait(fault.ms);
      return converse(link, bytes);
    case "stall":
      link.passes = nothing;
      await fault.until;
      if (link.client.errored && !fault.hasLeft) cut(link);
      else await converse(link, bytes);
      return fault.over?.();
    case "drain":
      await write(link, link.client, wire.errorResponse("ERROR", "57P01"));
      await wait(drainMs);
      return cut(link);
    case "cut_before":
      return cut(link);
    case "drop_answer":
      link.passes = nothing;
      await converse(link, bytes);
      return cut(link);
    case "cut_after":
      link.passes = nothing;
      await write(link, link.server, bytes);
      return cut(link);
    case "late":
      reset(link.client);
      await wait(fault.ms);
      await converse(link, bytes);
      return void link.server.end();
    case "hang":
      sever(link);
      return write(link, link.server, bytes);
    case "half_open":
      return sever(link);
    case "orphan":
      link.passes = nothing;
      await converse(link, bytes);
      sever(link);
      return reset(link.client);
    case "error":
      return refuse(link, statement, fault.code);
    case "error_after":
      // The client has to know which statements the server has prepared.
      link.passes = ({ type }) => type === "1";
      await converse(link, bytes);
      return answer(link, fault.code, link.status!);
    default:
      fault satisfies never;
  }
}

/** Does not keep the process alive. */
function wait(ms: number): Promise<void> {
  return delay(ms, undefined, { ref: false });
}

/** Has the server answer. */
async function converse(link: Link, bytes: Buffer): Promise<void> {
  if (link.server.destroyed) return;
  link.ready = Promise.withResolvers();
  await write(link, link.server, bytes);
  await link.ready.promise;
}

/** Answers an error in the place of the server, whose transaction, if one is open, has failed by it. */
async function refuse(link: Link, statement: string, code: string): Promise<void> {
  if (code.startsWith("57P0")) return end(link, code);
  if (link.status === "I") return answer(link, code, "I");
  link.passes = nothing;
  await converse(link, wire.query("rollback"));
  return answer(link, code, statement === "commit" || statement === "rollback" ? "I" : "E");
}

async function answer(link: Link, code: string, status: Status): Promise<void> {
  const error = wire.errorResponse("ERROR", code);
  await write(link, link.client, Buffer.concat([error, wire.readyForQuery(status)]));
  link.busy = false;
  link.passes = everything;
}

function cut({ client, server }: Link): void {
  reset(client);
  reset(server);
}

/** Nothing passes any more, not even an end. */
function sever(link: Link): void {
  link.passes = nothing;
  link.severed = true;
}

/** Ends a connection with RST. One that has said its end can no longer be reset, and would never close. */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { message, query, readyForQuery, type Message } from "../wire.ts";
import { errorOf, isContention, readFields, toOwn } from "./answers.ts";
import {
  completed,
  readExchange,
  toUpstream,
  withoutParse,
  type Exchange,
  type Prepared,
} from "./exchange.ts";
import { findRefusal } from "./gate.ts";
import type { Hub, NodeState } from "./hub.ts";
import { fillMarks } from "./listing.ts";
import { createKey, createSessionId, type Session } from "./registry.ts";
import { readStartup } from "./startup.ts";
import type { Command, Translation } from "./translate.ts";
import { openUpstream, type Answer } from "./upstream.ts";
import type { Refusal } from "./variables.ts";

/** One client of a node, with the connection to PostgreSQL that serves it. */
export type Front = {
  /** Takes a message of the client's. */
  take(message: Message): void;
  /** Tells the client that the node drains and ends the connection, unless something runs or is open. */
  drainIfIdle(): void;
  /** Ends it as the node's death does: both sides at once, without a word. */
  die(): void;
};

/** How long a node that drains keeps a connection after it has said so. */
const drainedMs = 60;
/** How long a transaction waits at most before the server runs it again. */
const retryMsMax = 8;

/** Serves a client from its first message on. */
export function startFront(client: Socket, greeting: Message, node: NodeState, hub: Hub): Front {
  const startup = readStartup(greeting, hub.settingsFor);
  const variables = new Map(startup.settings);
  const prepared: Prepared = new Map();
  const waiting: Message[][] = [];
  let exchange: Message[] = [];
  let session: Session | undefined;
  let isBusy = false;
  let isOver = false;

  const upstream = openUpstream(hub.upstream, startup.upstream, {
    admits,
    overflows: send,
    ends() {
      if (session) hub.sessions.delete(session.id);
      void node.runs.then(() => client.end());
    },
  });
  client.on("close", () => void node.runs.then(leave));

  function send(bytes: Buffer): void {
    if (!isOver && !client.destroyed) client.write(bytes);
  }

  function admits(each: Message): void {
    if (each.type === "E") return send(errorOf(toOwn(readFields(each))));
    if (each.type !== "K") return send(each.bytes);
    session = register();
    const body = Buffer.alloc(8);
    body.writeInt32BE(session.key.processId, 0);
    body.writeInt32BE(session.key.secret, 4);
    send(message("K", body));
  }

  function register(): Session {
    const id = createSessionId(node.id);
    const { user, application } = startup;
    const made: Session = {
      id,
      node: node.id,
      key: createKey(node.id),
      user,
      application,
      query: undefined,
      queryId: id,
      cancel: () => upstream.cancel(),
      async end() {
        isOver = true;
        await hub.operate("select pg_terminate_backend($1::int4, 1000)", [upstream.processId]);
        client.destroy();
      },
    };
    hub.sessions.set(id, made);
    return made;
  }

  /** The client has gone: CockroachDB stops what it asked for. */
  function leave(): void {
    isOver = true;
    if (isBusy) void upstream.cancel();
    upstream.end();
  }

  async function pump(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    for (let next = waiting.shift(); next && !isOver; next = waiting.shift()) {
      await node.runs;
      if (node.isDraining && upstream.status === "I") sayDraining();
      else await run(readExchange(next, prepared));
    }
    isBusy = false;
    if (node.isDraining) drainIfIdle();
  }

  function drainIfIdle(): void {
    if (upstream.status === "I" && !isBusy && waiting.length === 0) sayDraining();
  }

  function sayDraining(): void {
    send(errorOf({ code: "57P01", message: "server is shutting down" }));
    isOver = true;
    void closeLater();
  }

  async function closeLater(): Promise<void> {
    await delay(drainedMs);
    client.end();
    upstream.end();
  }

  async function run(asked: Exchange): Promise<void> {
    Object.assign(session!, { query: asked.text, queryId: createSessionId(node.id) });
    const refusal = findRefusal(asked.translations, variables, hub);
    const command = asked.translations.map((each) => each.command).find((each) => each !== undefined);
    if (refusal) await refuse(refusal);
    else if (command) await obey(asked, command);
    else await converse(asked);
    Object.assign(session!, { query: undefined, application: variables.get("application_name") ?? "" });
  }

  /** Lets PostgreSQL fail, so that the transaction, if one is open, has failed. */
  async function refuse({ code, message: words }: Refusal): Promise<void> {
    hub.counts.refused.set(code, (hub.counts.refused.get(code) ?? 0) + 1);
    const text = `raise exception using errcode = '${code}', message = '${words.replaceAll("'", "''")}'`;
    await flush(await upstream.answer(query(`do $crdb$ begin ${text}; end $crdb$`)));
  }

  async function obey(asked: Exchange, { kind, ids, ifExists }: Command): Promise<void> {
    let done = 0;
    for (const id of ids) {
      const home = Number.parseInt(id.slice(-8), 16);
      if (hub.members().includes(home) && !hub.reachable(node.id).has(home))
        return refuse({ code: "XXUUU", message: `failed to dial node ${home}: connection error` });
      const found = [...hub.sessions.values()].find(
        (each) => (kind === "cancel session" ? each.id : each.queryId) === id,
      );
      if (found === undefined && !ifExists)
        return refuse({ code: "XXUUU", message: `could not ${kind} ${id}: it is not found` });
      done += found === undefined ? 0 : 1;
      await (kind === "cancel session" ? found?.end() : found?.cancel());
    }
    const tag = kind === "cancel session" ? "CANCEL SESSIONS" : "CANCEL QUERIES";
    send(Buffer.concat([completed(asked, `${tag} ${done}`), readyForQuery(upstream.status!)]));
  }

  async function flush({ pieces }: Pick<Answer, "pieces">): Promise<void> {
    await node.runs;
    if (pieces.length > 0) send(Buffer.concat(pieces));
  }

  async function converse(asked: Exchange): Promise<void> {
    const isImplicit = upstream.status === "I";
    // CockroachDB commits before it changes the schema (autocommit_before_ddl).
    if (upstream.status === "T" && asked.translations.some((each) => each.isDefinition))
      await upstream.answer(query("commit"));
    const retyped = asked.translations.at(-1)?.retyped ?? [];
    let sent = asked;
    let parsed: Buffer[] = [];
    for (;;) {
      hub.counts.statements++;
      const held = await upstream.answer(
        toUpstream(sent, (text) => fillMarks(text, session!, hub)),
        retyped,
      );
      const mayRepeat = isImplicit && upstream.status === "I" && !held.isFlushed && !isOver;
      if (!(mayRepeat && held.error && isContention(held.error))) {
        if (held.error === undefined) remember(asked.translations);
        return flush({ pieces: [...parsed, ...held.pieces] });
      }
      hub.counts.retried++;
      // What PostgreSQL has prepared stays so, and the client is to hear of it.
      if (sent === asked) parsed = held.pieces.filter((each) => each.toString("latin1", 0, 1) === "1");
      if (parsed.length > 0) sent = withoutParse(asked);
      await delay(Math.random() * retryMsMax);
    }
  }

  /** What holds from now on: variables, and what was defined. */
  function remember(translations: readonly Translation[]): void {
    for (const { sets, isDefinition, statements } of translations) {
      for (const [name, value] of sets) variables.set(name, value);
      if (isDefinition) for (const each of statements) hub.catalog.learn(each);
    }
  }

  return {
    take(each) {
      if (isOver) return;
      if (upstream.status === undefined) return upstream.write(each.bytes);
      if (each.type === "X") return leave();
      exchange.push(each);
      if (each.type !== "S" && each.type !== "Q") return;
      waiting.push(exchange);
      exchange = [];
      void pump();
    },
    drainIfIdle,
    die() {
      isOver = true;
      client.resetAndDestroy();
      void session?.end().catch(() => {});
    },
  };
}

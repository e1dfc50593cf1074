import type pg from "pg";
import type { Engine } from "../../config.ts";
import { command } from "./statement.ts";

/** How the server knows a session: learnt when its connection is made. */
export type Session = {
  /** The process of PostgreSQL; its number comes again. */
  readonly processId: number;
  /**
   * What tells the session from all that were before it: when the process of PostgreSQL began, in
   * microseconds since 1970; the id of a session of CockroachDB, 32 hexadecimal digits.
   */
  readonly id: string;
  /** The node of CockroachDB, by its number; empty on PostgreSQL. */
  readonly node: string;
};

const beganAt = "(extract(epoch from backend_start) * 1000000)::int8::text";

const selectIds = {
  postgresql: command(
    "session.began",
    `select ${beganAt} as id from pg_stat_get_activity(pg_backend_pid())`,
    "postgresql",
  ),
  cockroachdb: command("session.id", "show session_id", "cockroachdb"),
};

/** Asks a connection, in one round trip, which session of the server it has. */
export async function identifySession(client: pg.ClientBase, engine: Engine): Promise<Session> {
  const { rows } = await client.query<{ id: string } | { session_id: string }>(selectIds[engine]);
  const [row] = rows;
  if (row === undefined) throw new Error("the server does not say which session it has opened");
  // node-postgres does not declare the process.
  const { processID } = client as unknown as { readonly processID: number };
  if ("id" in row) return { processId: processID, id: row.id, node: "" };
  return { processId: processID, id: row.session_id, node: toNode(row.session_id) };
}

const endBackend = command(
  "session.end",
  `select pg_terminate_backend(pid, $3::int8) as ended from pg_stat_get_activity($1::int4)
  where ${beganAt} = $2::text`,
  "postgresql",
);

// "cancel session" takes no parameters: the id, which is made of digits, is written into the text. The id
// names the session's node, which alone is asked to cancel.
const cancelSession = command("session.cancel", "cancel session if exists '<id>'", "cockroachdb");

/** The node whose session has an id: its last 32 bits. */
function toNode(id: string): string {
  return Number.parseInt(id.slice(-8), 16).toString();
}

/**
 * A node that cannot be asked is a row without a session, which "all"
 * keeps: without it only the sessions of applications are listed, and that row has none.
 */
const selectSessions = command(
  "session.remaining",
  `select node_id from [show all cluster sessions]
  where session_id = '<id>' or (session_id is null and node_id = <node>)`,
  "cockroachdb",
);

/** How long a session may take to end: it only has to roll back. */
const sessionEndMsMax = 1_000;

/**
 * Ends a session on the server; returns whether it is known to have ended in time, or never existed. From
 * then on nothing that was sent on it can happen any more, not even what still waits in a network: what has
 * not happened by now never will.
 */
export function endSession(client: pg.ClientBase, engine: Engine, session: Session): Promise<boolean> {
  return engine === "postgresql" ? endProcess(client, session) : endById(client, session);
}

async function endProcess(client: pg.ClientBase, { processId, id }: Session): Promise<boolean> {
  const { rows } = await client.query<{ ended: boolean }>(endBackend, [processId, id, sessionEndMsMax]);
  return rows.every(({ ended }) => ended);
}

async function endById(client: pg.ClientBase, { id }: Session): Promise<boolean> {
  if (!/^[0-9a-f]{32}$/.test(id)) throw new Error("the server has given a session an id of another form");
  await client.query(cancelSession.replace("<id>", id));
  // A session that was cancelled ends by itself; the next attempt finds it gone.
  const { rows } = await client.query(selectSessions.replace("<id>", id).replace("<node>", toNode(id)));
  return rows.length === 0;
}
